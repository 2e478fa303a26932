"""Two programs dump their steps; the first one that differs is named."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

PROGRAM = """
import os, sys
import numpy
from pathlib import Path

dump = Path(sys.argv[1])
assert str(dump) == os.environ["DEPLOYKIT_DUMP"] and Path.cwd() == dump.parent
pixels = numpy.random.default_rng(0).random((8, 8, 3))
resized = pixels[::2, ::2]
normal = (resized - 0.5) / float(sys.argv[2])
planes = normal.transpose(2, 0, 1)
rows = ["name\\tfile"]
for name in ("pixels", "resized", "normal", "planes"):
    numpy.save(dump / f"{name}.npy", globals()[name])
    rows.append(f"{name}\\t{name}.npy")
(dump / "deploykit_dump.tsv").write_text("\\n".join(rows))
print("done")
"""


def write(shell: Shell, board: str, limit: str = "60") -> None:
    (shell.folder / "steps.py").write_text(PROGRAM)
    python = json.dumps(sys.executable)
    (shell.folder / "pre.yaml").write_text(
        f"reference: {{command: [{python}, '{{here}}/steps.py', '{{dump}}', '0.25']}}\n"
        f"board: {{command: [{python}, {board}], time_limit_s: {limit}}}\n"
    )


@pytest.mark.parametrize(("scale", "code"), [("0.25", 0), ("0.5", 1)])
def test_the_first_step_that_differs(shell: Shell, scale: str, code: int) -> None:
    write(shell, f"'{{here}}/steps.py', '{{dump}}', '{scale}'")
    answer = shell.command("diff-steps", "pre.yaml", "--format", "json", "--no-diagnosis")
    assert answer.code == code, answer.err
    result = json.loads(answer.out)
    assert [item["name"] for item in result["tensors"]] == ["pixels", "resized", "normal", "planes"]
    assert result["first_divergence"] == ("normal" if code else "")
    assert (shell.folder / "pre" / "board" / "output.txt").read_text() == "done\n"
    again = shell.command("diff-steps", "pre.yaml", "--no-diagnosis")
    assert again.code == code


def test_a_program_that_fails(shell: Shell) -> None:
    write(shell, "-c, 'print(1/0)'")
    answer = shell.command("diff-steps", "pre.yaml")
    assert answer.code == 2
    assert "pre.yaml: board: ended with code 1; its output is in" in answer.err
    assert "ZeroDivisionError" in answer.err


def test_a_program_that_takes_too_long_or_dumps_nothing(shell: Shell) -> None:
    write(shell, "-c, 'import time; time.sleep(60)'", limit="0.5")
    assert "board: not done after 0.5 s (time_limit_s)" in shell.command("diff-steps", "pre.yaml").err
    write(shell, "-c, 'pass'")
    assert "board: has dumped nothing into {dump}" in shell.command("diff-steps", "pre.yaml").err


def test_a_folder_of_the_users_is_left_alone(shell: Shell) -> None:
    write(shell, "-c, 'pass'")
    kept = shell.folder / "mine" / "reference" / "notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    answer = shell.command("diff-steps", "--folder", "mine", "pre.yaml")
    assert answer.code == 2
    assert "is in the way; name another --folder" in answer.err
    assert kept.read_text() == "mine"
    (shell.folder / "bad.yaml").write_text(
        "reference: {comand: [x]}\nboard: {command: [nowhere-to-be-found]}"
    )
    wrong = shell.command("diff-steps", "bad.yaml")
    assert wrong.code == 2
    assert "unknown key, did you mean 'command'?" in wrong.err
