"""A driver that crashes, hangs, or ends well without a result is one message with its last lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from deploykit.core.errors import InputError
from deploykit.toolchains.driver_run import run_driver
from deploykit.toolchains.protocol import Environment

START = "import json, os, sys\nasked = json.load(open(sys.argv[1]))\nprint('\\x1b[31mstarted\\x1b[0m', flush=True)\n"
GOOD = "json.dump({'twice': 2 * asked['number']}, open(sys.argv[2], 'w'))\n"


def run(folder: Path, body: str, limit_s: float = 60.0) -> tuple[dict[str, Any], str]:
    driver = folder / "driver.py"
    driver.write_text(START + body)
    return run_driver(
        driver,
        {"number": 21},
        Environment(folder, Path(sys.executable)),
        where="rknn, segment 'head'",
        folder=folder,
        label="build",
        time_limit_s=limit_s,
        hints={"buffer overflow": "choose another scheme"},
    )


def test_an_answer_comes_back_with_what_was_printed(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD) == ({"twice": 42}, "started\n")  # colours are taken off
    assert (tmp_path / "build.log").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os.abort()", "build: ended by SIGABRT; its output is in"),
        (
            "print('buffer overflow!!!', flush=True)\nos.abort()",
            "ended by SIGABRT; choose another scheme; its",
        ),
        ("sys.exit(0)", "build: ended with code 0, but without a result"),
        ("open(sys.argv[2], 'w').write('{\"twi')", "ended with code 0, but without a result"),
        (
            "json.dump({'failed': 'build gave -1'}, open(sys.argv[2], 'w'))\nos._exit(1)",
            "build: build gave -1",
        ),
        ("json.dump({'failed': 'build gave -1'}, open(sys.argv[2], 'w'))", "build: build gave -1"),
        (GOOD + "sys.stdout.flush()\nos.abort()", "build: ended by SIGABRT"),
        ("raise OSError(28, 'No space left on device')", "free some space on the disk of"),
        ("raise ValueError('odd shape')", "ValueError: odd shape)"),
    ],
)
def test_every_bad_end_is_one_message(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, body)
    assert len(caught.value.faults) == 1
    assert said in str(caught.value)
    assert str(caught.value).startswith("rknn, segment 'head': ")
    assert "started" in str(caught.value)


def test_a_hang_ends_at_the_limit_with_all_that_it_started(tmp_path: Path) -> None:
    body = "import subprocess\nsubprocess.run(['sleep', '600'])"
    with pytest.raises(InputError, match=r"not done after \d+ s, the limit is 1 s \(`time_limit_s`\)"):
        run(tmp_path, body, limit_s=1.0)


def test_an_old_answer_does_not_count(tmp_path: Path) -> None:
    run(tmp_path, GOOD)
    with pytest.raises(InputError, match="without a result"):
        run(tmp_path, "pass")
