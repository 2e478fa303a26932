"""Scales and codes that have to agree: along moved values, states, joints and shared weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from deploykit.artifacts.model import Partition, StatePair
from deploykit.stages.precision import SchemeException
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from tests.stages.quantize.planned import clips_of, proto_of, quantized, sqnr_db, weights_of
from tests.stages.quantize.test_narrow import Array, noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


def test_the_bias_scale_is_the_product_of_the_two_others(bench: Bench, backbone: Partition) -> None:
    weights = weights_of(proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16))))
    for layer, source in ((1, "x"), (2, "swish"), (3, "sum"), (4, "joined")):
        product = weights[f"{source}::scale"] * weights[f"w{layer}::scale"]
        assert (weights[f"b{layer}::scale"] == product).all()


def test_what_is_moved_shares_one_scale(bench: Bench, backbone: Partition) -> None:
    weights = weights_of(proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16))))
    group = ("sum", "up", "small", "joined")  # Concat joins small and sum; MaxPool moves up
    assert len({(float(weights[f"{n}::scale"]), int(weights[f"{n}::zero_point"])) for n in group}) == 1
    assert weights["relu::scale"] != weights["sum::scale"]


MEMORY = """g (float[1,4,8,8] x, float[1,4,8,8] previous) => (float[1,4,8,8] memory, float[1,4,8,8] y)
{
    both = Concat <axis = 1> (x, previous)
    gate_sum = Conv (both, w, b)
    gate = Sigmoid (gate_sum)
    change = Sub (x, previous)
    part = Mul (gate, change)
    memory = Add (previous, part)
    y = Relu (memory)
}"""
PAIR = (StatePair("memory", "previous"),)


def test_a_state_is_read_as_the_codes_that_were_written(bench: Bench) -> None:
    weights = {"w": noise(4, 8, 1, 1, scale=0.3), "b": noise(4, scale=0.3)}
    partition = bench.whole(bench.model(MEMORY, **weights), state=PAIR)
    clips = clips_of(1, 4, 8, 8)
    result = quantized(bench, partition, clips)
    stored = weights_of(proto_of(bench, result))
    assert stored["memory::scale"] == stored["previous::scale"]
    assert stored["memory::zero_point"] == stored["previous::zero_point"]
    written, read = _codes(bench, result, clips[0])
    assert len(written) == 6
    for before, after in zip(written, read[1:], strict=False):
        assert (before == after).all()
    assert (read[0] == stored["previous::zero_point"]).all()
    assert sqnr_db(bench, partition, result, clips)["memory"] > 30


def _codes(bench: Bench, result: Partition, clip: Clip) -> tuple[list[Array], list[Array]]:
    """Run frame by frame; gives the codes of `memory` as written and of `previous` as read."""
    from deploykit.toolchains.taps import tapped

    with bench.workspace.scratch() as folder:
        names = ["memory::codes", "previous::codes"]
        network = ReferenceNetwork(*tapped(result, bench.workspace, names, folder), exact=True)
        runs = [network(frame) for frame in clip.frames]
    return [run["memory::codes"] for run in runs], [run["previous::codes"] for run in runs]


FIRST = """g (float[1,4,8,8] x) => (float[1,4,8,8] joint)
{
    sum = Conv (x, w1, b1)
    joint = Relu (sum)
}"""
SECOND = """g (float[1,4,8,8] joint) => (float[1,4,8,8] y)
{
    y = Conv (joint, w1, b2)
}"""


def test_both_sides_of_a_joint_have_the_same_codes(bench: Bench) -> None:
    shared = noise(4, 4, 1, 1, scale=0.4)
    segments = {
        "first": bench.model(FIRST, w1=shared, b1=noise(4)),
        "second": bench.model(SECOND, w1=shared, b2=noise(4)),
    }
    partition = bench.partition(segments, inputs=["x"], outputs=["y"])
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    first, second = (weights_of(proto_of(bench, result, index)) for index in (0, 1))
    assert first["joint::scale"] == second["joint::scale"]
    assert first["joint::zero_point"] == second["joint::zero_point"]
    assert (first["w1::codes"] == second["w1::codes"]).all()
    assert (first["w1::scale"] == second["w1::scale"]).all()
    assert [shared.name for shared in result.shared_weights] == []  # 16 bytes: nothing worth sharing
    assert sqnr_db(bench, partition, result, clips_of(1, 4, 8, 8, seed=1))["y"] > 33


def test_a_float_segment_computes_in_the_engine_s_float(bench: Bench) -> None:
    segments = {
        "first": bench.model(FIRST, w1=noise(4, 4, 1, 1), b1=noise(4)),
        "second": bench.model(SECOND.replace("w1", "w2"), w2=noise(4, 4, 1, 1), b2=noise(4)),
    }
    partition = bench.partition(segments, inputs=["x"], outputs=["y"])
    result = quantized(bench, partition, clips_of(1, 4, 8, 8), SchemeException("second", "float"))
    operators = {node.op_type for node in proto_of(bench, result, 1).graph.node}
    # the joint comes in as codes
    assert operators == {"QuantizeLinear", "DequantizeLinear", "Cast", "Conv"}
    assert weights_of(proto_of(bench, result, 1))["w2::float16"].dtype == numpy.float16


def test_a_weight_with_two_readers_has_one_set_of_codes(bench: Bench) -> None:
    text = """g (float[1,4,8,8] x) => (float[1,4,8,8] y)
{
    first = Conv (x, w, b)
    second = Conv (first, w, b)
    y = Relu (second)
}"""
    partition = bench.whole(bench.model(text, w=noise(4, 4, 1, 1, scale=0.4), b=noise(4)))
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    weights = weights_of(proto_of(bench, result))
    assert [name for name in weights if name.startswith("w") and name.endswith("::codes")] == ["w::codes"]
    assert [name for name in weights if name.startswith("b") and name.endswith("::codes")] == [
        "b::codes",
        "b::2::codes",
    ]
    assert sqnr_db(bench, partition, result, clips_of(1, 4, 8, 8, seed=1))["y"] > 33
