"""The command line itself: help, names, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from deploykit.cli import main
from deploykit.cli.main import COMMANDS
from deploykit.stages import STAGES


def test_help_lists_every_command_and_step(shell: Any) -> None:
    answer = shell.command("--help")
    assert answer.code == 0
    for name in (*COMMANDS, *STAGES):
        assert f"  {name} " in answer.out


def test_every_command_has_help(shell: Any) -> None:
    for name in (*COMMANDS, *STAGES):
        answer = shell.command(name, "--help")
        assert answer.code == 0
        assert answer.out.startswith(f"Usage: deploykit {name}")


def test_every_stage_offers_what_the_runner_needs() -> None:
    for name, stage in STAGES.items():
        module = stage.load()
        assert callable(module.run), name
        assert module.PARAMS() == module.PARAMS(), name
        assert all(read in STAGES for read in stage.reads), name
        assert list(STAGES).index(name) > max((list(STAGES).index(read) for read in stage.reads), default=-1)


def test_help_imports_neither_numpy_nor_onnx() -> None:
    program = (
        "import sys; from deploykit.cli.main import run; run(['--help']);"
        "print([m for m in ('numpy', 'onnx', 'pydantic', 'rich', 'ruamel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_wrong_command_is_answered_with_the_nearest(shell: Any) -> None:
    answer = shell.command("rum", "toy.yaml")
    assert answer.code == 2
    assert "no command 'rum', did you mean 'run'?" in answer.err


def test_a_fault_of_ours_is_3_and_shows_its_trace(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("oh no")

    monkeypatch.setattr(main.cli, "main", broken)
    answer = shell.command("run", "toy.yaml")
    assert answer.code == 3
    assert "Traceback" in answer.err
    assert "this is a fault of deploykit's" in answer.err


def test_the_schema_knows_every_section_and_task(shell: Any) -> None:
    schema = json.loads(shell.command("schema").out)
    network = schema["properties"]["networks"]["additionalProperties"]
    assert {"export", "split", "precision", "source", "io"} <= set(network["properties"])
    assert {"schedule", "evaluate", "networks", "chip"} <= set(schema["properties"])
    kinds = [entry["properties"]["kind"]["const"] for entry in schema["properties"]["task"]["oneOf"]]
    assert {"random", "images", "arrays", "bev", "ocr"} <= set(kinds)
    text = json.dumps(schema)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}:
        assert reference in schema["$defs"]


def test_doctor_names_what_a_pipeline_lacks(shell: Any) -> None:
    healthy = shell.command("doctor", "toy.yaml")
    assert "chip rk3588" in healthy.out
    assert f"network toy: {shell.folder / 'toy.onnx'}".replace(str(shell.folder) + "/", "") in healthy.out
    (shell.folder / "toy.onnx").unlink()
    broken = shell.command("doctor", "toy.yaml")
    assert broken.code == 1
    assert "! toy, network toy: toy.onnx is missing" in broken.out


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: Any, name: str) -> None:
    assert "_DEPLOYKIT_COMPLETE" in shell.command("completion", name).out
