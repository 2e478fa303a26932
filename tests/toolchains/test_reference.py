"""The reference toolchain: chains of segments with state, and what is wrong with data."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from onnx import parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Model, Partition, Segment, StatePair
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.toolchains.reference import ReferenceNetwork, reference_model

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
ONE = "g (float[1,2] x, float[1,2] prev) => (float[1,2] mem) <float half = {0.5}> { old = Mul(prev, half) mem = Add(x, old) }"
TWO = "g (float[1,2] mem, float[1,2] x) => (float[1,2] y) { y = Sub(mem, x) }"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Store(tmp_path))


def segment(workspace: Workspace, name: str, text: str) -> Segment:
    model = normalise(OnnxModel(parser.parse_model(f"{HEAD} {text}"), name))
    infer_shapes(model)
    with workspace.scratch() as folder:
        files = tuple(workspace.keep(file) for file in save_model(model, folder, name))
    return Segment(name, files, summarise(model), "npu", "test")


def chain(workspace: Workspace) -> Partition:
    segments = (segment(workspace, "one", ONE), segment(workspace, "two", TWO))
    state = (StatePair("mem", "prev"),)
    return Partition("net", ("x", "prev"), ("y", "mem", "x"), segments, state, None)


def frame(value: float) -> dict[str, numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]]:
    return {"x": numpy.full((1, 2), value, numpy.float32)}


@pytest.mark.parametrize("exact", [True, False])
def test_state_goes_from_frame_to_frame_and_a_reset_clears_it(workspace: Workspace, exact: bool) -> None:
    network = ReferenceNetwork(chain(workspace), workspace, exact=exact)
    # mem[t] = x[t] + mem[t - 1] / 2 and y[t] = mem[t - 1] / 2
    assert [float(network(frame(value))["y"][0, 0]) for value in (8, 4, 2)] == [0, 4, 4]
    network.reset()
    result = network(frame(6))
    assert {name: float(value[0, 0]) for name, value in result.items()} == {"y": 0, "mem": 6, "x": 6}
    assert list(result) == ["y", "mem", "x"], (
        "an output that is an input passes through, in the network's order"
    )


def test_state_may_be_given_by_the_caller(workspace: Workspace) -> None:
    network = ReferenceNetwork(chain(workspace), workspace)
    given = frame(1) | {"prev": numpy.full((1, 2), 10, numpy.float32)}
    assert float(network(given)["mem"][0, 0]) == 6


def test_missing_and_unknown_inputs_are_named_together(workspace: Workspace) -> None:
    network = ReferenceNetwork(chain(workspace), workspace)
    with pytest.raises(InputError) as caught:
        network({"X": numpy.zeros((1, 2), numpy.float32)})
    assert [fault.where for fault in caught.value.faults] == ["input 'x'", "input 'X'"]


def test_wrong_data_names_the_segment(workspace: Workspace) -> None:
    network = ReferenceNetwork(chain(workspace), workspace)
    with pytest.raises(InputError, match="segment 'one': onnxruntime cannot run it"):
        network({"x": numpy.zeros((1, 3), numpy.float32)})


def test_state_of_a_free_size_cannot_start(workspace: Workspace) -> None:
    text = "g (float[N] x, float[N] prev) => (float[N] mem) { mem = Add(x, prev) }"
    free = segment(workspace, "one", text)
    partition = Partition("net", ("x", "prev"), ("mem",), (free,), (StatePair("mem", "prev"),), None)
    with pytest.raises(InputError, match=r"state 'prev': its shape is \['N'\]; bind its free sizes"):
        ReferenceNetwork(partition, workspace)


def test_a_model_runs_as_one_segment(workspace: Workspace) -> None:
    whole = segment(workspace, "whole", ONE)
    model = Model("net", whole.files, whole.graph, (StatePair("mem", "prev"),), None)
    network = reference_model(model, workspace, exact=True)
    assert [float(network(frame(value))["mem"][0, 0]) for value in (8, 4)] == [8, 8]
