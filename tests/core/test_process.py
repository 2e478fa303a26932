from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from deploykit.core.process import Finished, run_program


def run(folder: Path, code: str, *, time_limit_s: float = 30.0, **environment: str) -> Finished:
    return run_program(
        [sys.executable, "-c", code],
        folder,
        output=folder / "output.txt",
        time_limit_s=time_limit_s,
        environment=environment,
    )


def test_what_it_prints_is_kept_both_streams_in_order(tmp_path: Path) -> None:
    code = "import sys, os; print(os.environ['WORD'], os.getcwd(), flush=True); print('two', file=sys.stderr)"
    done = run(tmp_path, code, WORD="one")
    assert (done.code, done.error) == (0, "")
    assert done.text().splitlines() == [f"one {tmp_path}", "two"]


def test_a_code_and_the_last_five_lines_that_are_not_blank(tmp_path: Path) -> None:
    done = run(tmp_path, "print(*range(8), sep='\\n\\n'); raise SystemExit(7)")
    assert (done.code, done.how) == (7, "ended with code 7")
    assert done.kept == f"its output is in {tmp_path / 'output.txt'} (it ends: 3 | 4 | 5 | 6 | 7)"


def test_a_signal_is_named(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; os.abort()").how == "ended by SIGABRT"


def test_a_hang_ends_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, 'child'])"
    begun = time.monotonic()
    done = run(tmp_path, code, time_limit_s=3)
    assert time.monotonic() - begun < 30
    assert (done.code, done.how) == (None, "not done after 3 s")
    assert not _alive(int((tmp_path / "child").read_text()))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    done = run_program(["no-such-tool"], tmp_path, output=tmp_path / "output.txt", time_limit_s=1)
    assert done.how == "'no-such-tool' cannot be started: No such file or directory"


def _alive(process: int) -> bool:
    """Say whether a process runs; one that has ended may still wait to be collected."""
    for _ in range(50):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return False
        time.sleep(0.1)
    return True
