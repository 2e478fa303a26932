"""Compile and simulate in a pipeline, with the toolchain that needs nothing: it runs the quantized network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

COMPILE = "networks.toy.compile"


def artifact(folder: Path, step: str) -> Any:
    """Give a step's newest artifact as plain JSON."""
    store = folder / ".deploykit"
    manifest = json.loads(max((store / "runs").glob("*.json"), key=lambda f: f.stat().st_mtime).read_text())
    found = next(item for item in manifest["steps"] if item["step"] == step)
    digest = found["artifact_digest"]
    return json.loads((store / "blobs" / digest[:2] / digest).read_text())


def blob(folder: Path, tensor: dict[str, Any]) -> numpy.ndarray[Any, Any]:
    digest = tensor["file"]["digest"]
    found: numpy.ndarray[Any, Any] = numpy.load(folder / ".deploykit" / "blobs" / digest[:2] / digest)
    return found


def test_the_simulated_chain_carries_state_and_gives_the_quantized_tensors(shell: Any) -> None:
    answer = shell.command("check_simulation", shell.pipeline, "--set", f"{COMPILE}={{toolchain: reference}}")
    assert answer.code == 0, answer.err
    simulated = {item["name"]: item for item in artifact(shell.folder, "toy.simulate")["tensors"]}
    quantized = {item["name"]: item for item in artifact(shell.folder, "toy.dump_quantized")["tensors"]}
    assert simulated.keys() == quantized.keys()
    for name, item in simulated.items():
        assert numpy.array_equal(blob(shell.folder, item), blob(shell.folder, quantized[name])), name
    memory = blob(shell.folder, simulated["memory"])
    assert memory.shape[0] == 3
    assert not memory[0].any()  # the first frame's state
    assert numpy.array_equal(memory[1], blob(shell.folder, simulated["next_memory"])[0])
    check = artifact(shell.folder, "toy.check_simulation")
    assert check["broke"] == "no step alone misses a limit"
    assert [(step["before"], step["after"]) for step in check["steps"]] == [
        ("float", "quantized"),
        ("quantized", "simulator"),
    ]
    assert check["steps"][1]["median_error"] == 0.0


def test_nothing_is_compiled_unless_asked(shell: Any) -> None:
    assert shell.command("check_simulation", shell.pipeline).code == 0
    assert artifact(shell.folder, "toy.compile")["binaries"] == []
    assert artifact(shell.folder, "toy.simulate")["tensors"] == []
    assert artifact(shell.folder, "toy.check_simulation")["comparison"] is None


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{toolchain: rkn}", "networks.toy.compile.toolchain: no toolchain 'rkn', did you mean 'rknn'?"),
        ("{toolchain: rknn}", "compile.chip: rknn needs one; one of: rk3588, rk3576"),
        ("{toolchain: rknn, chip: rk3588}", "toolchain rknn: it is not installed in"),
        ("{toolchain: reference, chip: rk3588}", "compile.chip: reference has no chip 'rk3588'"),
    ],
)
def test_wrong_sections_are_one_message(
    shell: Any, monkeypatch: pytest.MonkeyPatch, section: str, said: str
) -> None:
    monkeypatch.setenv("DEPLOYKIT_TOOLCHAIN_FOLDER", str(shell.folder / "none"))
    answer = shell.command("compile", shell.pipeline, "--set", f"{COMPILE}={section}")
    assert answer.code == 2
    assert said in answer.err
    assert "1 errors" not in answer.err


def test_toolchain_and_chip_are_checked_before_any_step_with_the_profile(shell: Any) -> None:
    settings = ("chip=rk35888", f"{COMPILE}={{toolchain: rknn}}", "networks.toy.split={toolchain: vla}")
    words = [word for setting in settings for word in ("--set", setting)]
    answer = shell.command("export", shell.pipeline, *words)
    assert answer.code == 2
    assert "rk35888" in answer.err
    assert "networks.toy.compile.chip: rknn needs one; one of: rk3588" in answer.err
    assert "networks.toy.split.toolchain: no toolchain 'vla', did you mean 'vela'?" in answer.err
    assert not (shell.folder / ".deploykit" / "runs").exists()
