"""`deploykit diff` on the dumps of a real pipeline, and its exit codes through the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


def test_dumps_of_a_pipeline_give_what_its_compare_step_gives(shell: Shell) -> None:
    ran = shell.command("compare", "toy.yaml", "--format", "json")
    assert ran.code in (0, 1), ran.err
    latest = shell.folder / ".deploykit" / "latest"
    answer = shell.command(
        "diff",
        str(latest / "toy.toy.dump.json"),
        str(latest / "toy.toy.dump_quantized.json"),
        "--format",
        "json",
        "--no-diagnosis",
    )
    assert answer.code in (0, 1), answer.err
    found = {item["name"]: item for item in json.loads(answer.out)["tensors"]}
    assert {"image", "memory", "heat", "next_memory"} <= found.keys()
    assert found["image"]["measures"]["bit_exact"] == 1.0
    assert len(found["heat"]["frames"]) == 3
    assert found["heat"]["shape"] == [1, 4, 8, 8]
    steps = sorted((shell.folder / ".deploykit" / "steps").glob("*.json"))
    step = next(path for path in steps if json.loads(path.read_bytes())["key"]["step"] == "toy.compare")
    digest = json.loads(step.read_bytes())["artifact"]["digest"]
    artifact = json.loads((shell.folder / ".deploykit" / "blobs" / digest[:2] / digest).read_bytes())
    for tensor in artifact["tensors"]:
        if tensor["relative_l2"]:
            assert found[tensor["name"]]["measures"]["sqnr_db"] == pytest.approx(tensor["sqnr_db"], rel=1e-3)


def test_a_step_without_dumps_is_refused(shell: Shell) -> None:
    assert shell.command("split", "toy.yaml").code == 0
    step = str(shell.folder / ".deploykit" / "latest" / "toy.toy.split.json")
    answer = shell.command("diff", step, step)
    assert answer.code == 2
    assert "its step made no dumps; name a dump or dump_quantized step" in answer.err


def test_incomplete_has_a_code_of_its_own(shell: Shell) -> None:
    for side, names in (("ref", "ab"), ("board", "a")):
        (shell.folder / side).mkdir()
        for name in names:
            numpy.save(shell.folder / side / f"{name}.npy", numpy.ones(3, numpy.float32))
    assert shell.command("diff", str(shell.folder / "ref"), str(shell.folder / "board")).code == 4
