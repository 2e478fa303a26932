"""Dumps hold what the network computed, frame by frame, under the float network's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.artifacts.dumps import DumpSet
from deploykit.artifacts.model import Partition, StatePair
from deploykit.core.errors import InputError
from deploykit.stages.dump import DumpParams, collect_dumps
from deploykit.stages.precision import PrecisionParams, plan_precision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

FIRST = """g (float[1,2,2,2] x, float[1,2,2,2] previous) => (float[1,2,2,2] joint)
{
    sum = Add (x, previous)
    joint = Relu (sum)
}"""
SECOND = """g (float[1,2,2,2] joint) => (float[1,2,2,2] memory, float[1,2,2,2] y)
{
    memory = Conv (joint, w)
    y = Sigmoid (memory)
}"""
PLAIN = DumpParams()


@pytest.fixture
def network(bench: Bench) -> Partition:
    """Give two segments with a memory that is halved in each frame."""
    weights = numpy.eye(2, dtype=numpy.float32).reshape(2, 2, 1, 1) / 2
    segments = {"first": bench.model(FIRST), "second": bench.model(SECOND, w=weights)}
    pair = (StatePair("memory", "previous"),)
    return bench.partition(segments, inputs=["x", "previous"], outputs=["memory", "y"], state=pair)


def clips(*frames: int) -> list[Clip]:
    x = numpy.ones((1, 2, 2, 2), numpy.float32)
    return [Clip(f"clip {index}", ({"x": x},) * count) for index, count in enumerate(frames)]


def load(bench: Bench, dumps: DumpSet, name: str) -> NDArray[Any]:
    tensor = next(tensor for tensor in dumps.tensors if tensor.name == name)
    loaded: NDArray[Any] = numpy.load(bench.workspace.path(tensor.file), mmap_mode="r")
    assert loaded.shape[1:] == tensor.shape
    return loaded


def test_every_tensor_over_all_frames_with_the_state_that_was_read(bench: Bench, network: Partition) -> None:
    dumps = collect_dumps(network, clips(3, 1), label="float", params=PLAIN, workspace=bench.workspace)
    assert [tensor.name for tensor in dumps.tensors] == ["x", "previous", "sum", "joint", "memory", "y"]
    assert load(bench, dumps, "memory")[:, 0, 0, 0, 0].tolist() == [
        0.5,
        0.75,
        0.875,
        0.5,
    ]  # (1 + m) / 2; reset
    assert load(bench, dumps, "previous")[:, 0, 0, 0, 0].tolist() == [0.0, 0.5, 0.75, 0.0]
    assert dumps.clips == (("clip 0", 3), ("clip 1", 1))
    assert dumps.state == (("memory", "previous"),)


@pytest.mark.parametrize(
    ("state", "memory"),
    [("reset", [0.5, 0.75, 0.5]), ("carried", [0.5, 0.75, 0.875]), ("stateless", [0.5] * 3)],
)
def test_faults_of_the_state_can_be_put_in(
    bench: Bench, network: Partition, state: Literal["reset", "carried", "stateless"], memory: list[float]
) -> None:
    """memory = (1 + previous) / 2, over a clip of two frames and one of one."""
    params = DumpParams(state=state)
    dumps = collect_dumps(network, clips(2, 1), label="float", params=params, workspace=bench.workspace)
    assert load(bench, dumps, "memory")[:, 0, 0, 0, 0].tolist() == memory
    assert (
        load(bench, dumps, "previous")[1:, 0, 0, 0, 0].tolist()
        == {
            "reset": [0.5, 0.0],
            "carried": [0.5, 0.75],
            "stateless": [0.0, 0.0],
        }[state]
    )


def test_each_tensor_names_its_node_segment_and_inputs(bench: Bench, network: Partition) -> None:
    dumps = collect_dumps(network, clips(1), label="float", params=PLAIN, workspace=bench.workspace)
    places = {tensor.name: (tensor.node, tensor.segment, tensor.inputs) for tensor in dumps.tensors}
    assert places["x"] == ("", "", ())
    assert places["sum"] == ("sum", "first", ("x", "previous"))
    assert places["memory"] == ("memory", "second", ("joint",))


def test_a_quantized_network_has_the_same_places(bench: Bench, network: Partition) -> None:
    plan = plan_precision(network, bench.costs(network), profile=bench.profile(), params=PrecisionParams())
    other = quantize(network, plan, clips(4), params=QuantizeParams(), workspace=bench.workspace)
    before = collect_dumps(network, clips(3), label="float", params=PLAIN, workspace=bench.workspace)
    after = collect_dumps(other, clips(3), label="quantized", params=PLAIN, workspace=bench.workspace)
    assert [(t.name, t.node, t.segment, t.inputs, t.shape, t.dtype) for t in before.tensors] == [
        (t.name, t.node, t.segment, t.inputs, t.shape, t.dtype) for t in after.tensors
    ]
    assert after.left_out == ()
    step = 1.875 / 2 / 255  # of the memory's range
    assert numpy.abs(load(bench, before, "memory") - load(bench, after, "memory")).max() < 4 * step


def test_patterns_choose_tensors_and_the_rest_is_named(bench: Bench, network: Partition) -> None:
    params = DumpParams(include=("*",), exclude=("x", "prev*"))
    dumps = collect_dumps(network, clips(1), label="float", params=params, workspace=bench.workspace)
    assert [tensor.name for tensor in dumps.tensors] == ["sum", "joint", "memory", "y"]
    assert dumps.left_out == ("x", "previous")


def test_a_pattern_that_matches_nothing_is_an_error(bench: Bench, network: Partition) -> None:
    params = DumpParams(include=("joint", "memry"), exclude=("/head/*",))
    with pytest.raises(InputError) as error:
        collect_dumps(network, clips(1), label="float", params=params, workspace=bench.workspace)
    assert [fault.where for fault in error.value.faults] == ["dump.include", "dump.exclude"]
    assert "did you mean 'memory'" in str(error.value)


def test_the_number_of_frames_is_limited(bench: Bench, network: Partition) -> None:
    params = DumpParams(frames=4)
    dumps = collect_dumps(network, clips(3, 3, 3), label="float", params=params, workspace=bench.workspace)
    assert dumps.clips == (("clip 0", 3), ("clip 1", 1))


def test_a_dump_that_is_too_large_says_how_large(bench: Bench, network: Partition) -> None:
    params = DumpParams(max_bytes=300)
    with pytest.raises(InputError, match=r"2 frames of 6 tensors take 384 bytes, more than max_bytes = 300"):
        collect_dumps(network, clips(2), label="float", params=params, workspace=bench.workspace)


def test_no_frames_is_an_error(bench: Bench, network: Partition) -> None:
    with pytest.raises(InputError, match="the data has no frames"):
        collect_dumps(network, [], label="float", params=PLAIN, workspace=bench.workspace)


def test_a_size_that_depends_on_the_data_is_left_out_by_name(bench: Bench) -> None:
    text = "g (float[4] x) => (int64[1,n] places, float[4] y) { places = NonZero (x) y = Relu (x) }"
    partition = bench.whole(bench.model(text))
    frames = tuple({"x": numpy.array(values, numpy.float32)} for values in ([1, 0, 0, 1], [1, 1, 1, 0]))
    dumps = collect_dumps(
        partition, [Clip("clip", frames)], label="float", params=PLAIN, workspace=bench.workspace
    )
    assert [tensor.name for tensor in dumps.tensors] == ["x", "y"]
    assert dumps.left_out == ("places",)
