"""Quantized networks in onnxruntime: error limits, integer storage, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import onnx
import pytest
from onnx import numpy_helper

from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import network_name
from deploykit.stages.precision import SchemeException
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from tests.stages.quantize.planned import clips_of, nodes_by_output, proto_of, quantized, sqnr_db, weights_of
from tests.stages.quantize.test_narrow import noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


@pytest.mark.parametrize("activation_type", ["int8", "uint8"])
def test_a_detectors_blocks_keep_their_values(
    bench: Bench, backbone: Partition, activation_type: str
) -> None:
    params = QuantizeParams(activation_type="int8" if activation_type == "int8" else "uint8")
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16), params=params)
    unseen = clips_of(1, 3, 16, 16, seed=1)
    assert sqnr_db(bench, backbone, result, unseen)["y"] > 33
    assert sqnr_db(bench, backbone, result, unseen, exact=False)["y"] > 33  # with onnxruntime's optimisations


def test_weights_and_biases_are_really_stored_as_integers(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16))
    weights = weights_of(proto_of(bench, result))
    assert not {"w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4"} & set(weights)
    assert {weights[f"w{index}::codes"].dtype.name for index in (1, 2, 3, 4)} == {"int8"}
    assert {weights[f"b{index}::codes"].dtype.name for index in (1, 2, 3, 4)} == {"int32"}
    assert max(array.size for array in weights.values() if array.dtype == numpy.float32) == 8  # scales


def test_scales_lie_along_the_output_channels(bench: Bench, backbone: Partition) -> None:
    proto = proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16)))
    sizes = {name: value.shape for name, value in weights_of(proto).items() if name.startswith("w")}
    assert [sizes[f"w{index}::scale"] for index in (1, 2, 3, 4)] == [(8,), (8,), (5,), (4,)]
    axes = {
        node.input[0]: node.attribute[0].i
        for node in proto.graph.node
        if node.op_type == "DequantizeLinear" and node.attribute
    }
    assert [axes[f"w{index}::codes"] for index in (1, 2, 3, 4)] == [0, 0, 1, 0]
    assert axes["b3::codes"] == 0


def test_nothing_is_rounded_between_a_layer_and_its_relu(bench: Bench, backbone: Partition) -> None:
    proto = proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16)))
    writers = nodes_by_output(proto)
    assert writers["relu::float"].input[0] == "deep"
    assert writers["deep"].op_type == "Conv"
    assert writers["stem"].op_type == "DequantizeLinear"  # HardSwish is a step of its own


def test_the_network_keeps_its_names(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16))
    float_names = {name for node in backbone.segments[0].graph.nodes for name in node.outputs}
    names = {name for node in result.segments[0].graph.nodes for name in node.outputs}
    assert float_names <= names
    assert {network_name(name) for name in names} >= float_names
    assert (result.inputs, result.outputs) == (backbone.inputs, backbone.outputs)
    before, after = backbone.segments[0].graph, result.segments[0].graph
    assert [before.tensor[name] for name in ("x", "y")] == [after.tensor[name] for name in ("x", "y")]


WARP = """g (float[1,4,8,8] x, float[1,4,8,8] previous, float[1,2,3] ego)
=> (float[1,4,8,8] memory)
<int64[4] shape = {1, 8, 8, 2}>
{
    moved = MatMul (ego, base)
    turned = Transpose <perm = [0, 2, 1]> (moved)
    grid = Reshape (turned, shape)
    warped = GridSample (previous, grid)
    features = Conv (x, w)
    memory = Add (warped, features)
}"""


def test_coordinates_are_not_rounded(bench: Bench) -> None:
    state = (StatePair("memory", "previous"),)
    steps = numpy.linspace(-1, 1, 8, dtype=numpy.float32)
    rows, columns = numpy.meshgrid(steps, steps, indexing="ij")
    base = numpy.stack([columns.ravel(), rows.ravel(), numpy.ones(64, numpy.float32)])
    partition = bench.whole(bench.model(WARP, base=base, w=noise(4, 4, 1, 1, scale=0.3)), state=state)
    turn = numpy.array([[[0.6, -0.8, 0.037], [0.8, 0.6, -0.021]]], numpy.float32)
    clip = Clip("turning", tuple({"x": noise(1, 4, 8, 8), "ego": turn} for _ in range(6)))
    result = quantized(bench, partition, [clip])
    proto = proto_of(bench, result)
    writers = nodes_by_output(proto)
    assert [writers[name].op_type for name in ("moved", "turned", "grid")] == [
        "MatMul",
        "Transpose",
        "Reshape",
    ]
    assert writers["moved"].input[:] == ["ego::float16", "base::float16"]
    assert writers["warped::float"].input[:] == ["previous::rounded::float16", "grid"]
    assert sqnr_db(bench, partition, result, [clip])["memory"] > 30


def test_an_old_opset_is_raised(bench: Bench) -> None:
    proto = onnx.parser.parse_model(
        '<ir_version: 7, opset_import: ["" : 11]> g (float[1,4,8,8] x) => (float[1,4] y) '
        "{ a = Conv (x, w) y0 = ReduceMean <axes = [2, 3], keepdims = 0> (a) y = Clip (y0, low) }"
    )
    proto.graph.initializer.append(numpy_helper.from_array(noise(4, 4, 3, 3), "w"))
    proto.graph.initializer.append(numpy_helper.from_array(numpy.array(-1.0, numpy.float32), "low"))
    partition, clips = bench.whole(proto), clips_of(1, 4, 8, 8)
    result = quantized(bench, partition, clips)
    assert proto_of(bench, result).opset_import[0].version == 17
    assert weights_of(proto_of(bench, result))["w::scale"].shape == (4,)
    assert sqnr_db(bench, partition, result, clips)["y"] > 30


def test_depthwise_ranges_that_differ_a_thousandfold_need_the_factors_folded(bench: Bench) -> None:
    """Per-channel weights cannot help: the activation between has one scale. Beside a float product it stays."""
    text = """g (float[1,8,8,8] x) => (float[1,8,8,8] y)
{
    wide = Conv <group = 8, pads = [1, 1, 1, 1]> (x, w)
    y = Mul (wide, back)
}"""
    gains = numpy.logspace(0, 3, 8, dtype=numpy.float32).reshape(8, 1, 1, 1)
    model = bench.model(text, w=noise(8, 1, 3, 3) * gains, back=1 / gains.reshape(1, 8, 1, 1))
    partition = bench.whole(model)
    clips = clips_of(1, 8, 8, 8)
    plain = sqnr_db(bench, partition, quantized(bench, partition, clips), clips)["y"]
    kept = sqnr_db(
        bench, partition, quantized(bench, partition, clips, SchemeException("y", "float")), clips
    )["y"]
    assert plain > 35
    assert kept < 10  # the codes between the two are the cause, not the product
