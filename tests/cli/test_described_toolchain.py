"""The guide's made-up toolchain, run through a pipeline with a fake executable."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = REPOSITORY / "docs" / "guide" / "toolchains.md"
FAKE = REPOSITORY / "tests" / "toolchains" / "described" / "acme.py"
USE = "networks.toy.compile={toolchain: acme.yaml, chip: ax1}"


@pytest.fixture
def acme(shell: Any) -> Any:
    """Put the description and the executable beside the pipeline."""
    (text,) = re.findall(r"```yaml\n(name: acme\n.*?)```", GUIDE.read_text(), re.DOTALL)
    (shell.folder / "acme.yaml").write_text(text)
    script = shell.folder / "acme"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    script.chmod(0o755)
    return shell


def artifact(folder: Path, step: str) -> Any:
    store = folder / ".deploykit"
    manifest = json.loads(max((store / "runs").glob("*.json"), key=lambda f: f.stat().st_mtime).read_text())
    digest = next(item["artifact_digest"] for item in manifest["steps"] if item["step"] == step)
    return json.loads((store / "blobs" / digest[:2] / digest).read_text())


def test_the_guides_example_compiles_simulates_and_is_compared(acme: Any) -> None:
    answer = acme.command("check_simulation", acme.pipeline, "--set", USE)
    assert answer.code == 0, answer.err
    made = artifact(acme.folder, "toy.compile")
    assert (made["toolchain"], made["version"], made["chip"]) == ("acme.yaml", "7.1.2", "ax1")
    report = made["binaries"][0]["report"]
    assert {layer["op"]: layer["fallback"] for layer in report["layers"]}["Sigmoid"] is True
    assert report["layers"][0]["dram_bytes"] == 1536
    assert report["buffers"][0] | {"offset_bytes": 64, "size_bytes": 256} == report["buffers"][0]
    assert (report["time_s"], report["weight_bytes"]) == (0.00025, 48)
    check = artifact(acme.folder, "toy.check_simulation")
    assert check["broke"] == "no step alone misses a limit"
    assert {item["tensor"] for item in check["outputs"]} == {"next_memory", "heat"}
    assert check["steps"][1]["median_error"] < 1e-6  # it runs the quantized network
    assert "acme.yaml 7.1.2: 1 binary for ax1" in answer.out
    assert "layers to the CPU: Sigmoid" in answer.out
    assert "simulation: no step alone misses a limit" in answer.out


def test_a_changed_description_compiles_again(acme: Any) -> None:
    assert acme.command("compile", acme.pipeline, "--set", USE).code == 0
    assert acme.command("compile", acme.pipeline, "--set", USE).err == ""
    file = acme.folder / "acme.yaml"
    file.write_text(file.read_text() + "# later\n")
    assert "toy.compile" in acme.command("compile", acme.pipeline, "--set", USE).err


BREAKAGES = {
    "kill -ABRT $$": "ended by SIGABRT",
    "echo 'ERROR: unknown layer'; exit 0": "ended with code 0, but says 'ERROR: unknown layer'",
    "sleep 60": "not done after",
    "exit 0": "the compiler ended well, but made no",
    "echo 'No space left on device' >&2; exit 1": "No space left on device",
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_compiler_is_one_message_and_the_next_run_goes_on(acme: Any, breakage: str) -> None:
    script = acme.folder / "acme"
    good = script.read_text()
    script.write_text(f'#!/bin/sh\n[ "$1" = build ] || exec "{sys.executable}" "{FAKE}" "$@"\n{breakage}\n')
    limit = "networks.toy.compile.time_limit_s=2"
    answer = acme.command("compile", acme.pipeline, "--set", USE, "--set", limit)
    assert answer.code == 2
    errors = [line for line in answer.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert BREAKAGES[breakage] in errors[0]
    assert "segment 'npu0'" in errors[0] or "segment 'whole'" in errors[0]
    script.write_text(good)
    again = acme.command("compile", acme.pipeline, "--set", USE)
    assert again.code == 0, again.err
    assert [line.split()[0] for line in again.err.splitlines()] == ["toy.compile"]


def test_a_failing_segment_can_stay_on_the_host(acme: Any) -> None:
    (acme.folder / "acme").write_text('#!/bin/sh\n[ "$1" = version ] && echo 1.0\nexit 3\n')
    script = (acme.folder / "acme").read_text().replace("exit 3", '[ "$1" = version ] || exit 3')
    (acme.folder / "acme").write_text(script)
    answer = acme.command(
        "check_simulation", acme.pipeline, "--set", USE, "--set", "networks.toy.compile.failed=host"
    )
    assert answer.code == 0, answer.err
    made = artifact(acme.folder, "toy.compile")
    assert made["binaries"] == []
    assert "ended with code 3" in made["host"][0][1]
