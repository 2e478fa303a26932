"""Which step broke, from dumps of a chain; the vendor's own float run stands beside."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy

from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.dumps import DumpedTensor, DumpSet
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.check_simulation import check_simulation
from deploykit.stages.compare import CompareParams

BINARIES = BinarySet("net", "rknn", "2.5.0", "rk3588", ())


def dumps(workspace: Workspace, label: str, values: dict[str, Any]) -> DumpSet:
    """Give a set with one frame of each tensor; b reads a."""
    tensors = []
    with workspace.scratch() as folder:
        for name, value in values.items():
            array = numpy.array([value], numpy.float32)
            numpy.save(folder / f"{name}.npy", array)
            blob = workspace.keep(folder / f"{name}.npy")
            read = ("a",) if name == "b" else ()
            tensors.append(DumpedTensor(name, f"n{name}", "s", array.shape[1:], "float", blob, read))
    return DumpSet("net", label, (("clip", 1),), tuple(tensors))


def test_the_step_that_broke_is_named_with_the_vendors_float_beside(tmp_path: Path) -> None:
    workspace = Workspace(Store(tmp_path))
    exact = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]}
    reference = dumps(workspace, "float", exact)
    quantized = dumps(workspace, "quantized", exact)
    seen = dumps(workspace, "simulator", {"a": [1.0, 2.0], "b": [0.0, 5.0]})  # |(3, -1)| / |(3, 4)| = 0.632
    golden = dumps(workspace, "golden", {"a": [1.0, 2.0], "b": [3.0, 4.0]})
    simulated = dataclasses.replace(seen, golden=golden.tensors, left_out=("c",))
    found = check_simulation(
        reference, quantized, simulated, BINARIES, ("b", "c"), reader=workspace, params=CompareParams()
    )
    assert "quantized -> simulator: 1 of 2 tensors miss their limits, the first is b" in found.broke
    assert [(step.before, step.after, step.failed) for step in found.steps] == [
        ("float", "quantized", ()),
        ("quantized", "simulator", ("b",)),
        ("float", "vendor's float", ()),
        ("vendor's float", "simulator", ("b",)),
    ]
    assert found.left_out == ("c",)
    (output,) = found.outputs  # c is not shown
    assert output.tensor == "b"
    assert output.quantized == 1.0
    assert abs(output.simulated - 20 / (5 * 5)) < 1e-12  # (3 x 0 + 4 x 5) / (5 x 5)


def test_without_a_simulator_it_says_so(tmp_path: Path) -> None:
    workspace = Workspace(Store(tmp_path))
    empty = DumpSet("net", "simulator", (), ())
    one = dumps(workspace, "float", {"a": [1.0]})
    found = check_simulation(one, one, empty, BINARIES, ("a",), reader=workspace, params=CompareParams())
    assert found.broke == "the toolchain has no simulator"
    nothing = dataclasses.replace(BINARIES, toolchain="")
    assert (
        check_simulation(one, one, empty, nothing, (), reader=workspace, params=CompareParams()).broke == ""
    )
