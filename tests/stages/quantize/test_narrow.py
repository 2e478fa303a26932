"""4-bit weights and 16-bit activations in the file, and what they cost."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.storage_types import storage_types
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Granularity, NodePrecision, PrecisionPlan, Scheme
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

Array: TypeAlias = NDArray[Any]

PLAIN = QuantizeParams()
NARROW: tuple[Scheme, ...] = ("w8a16", "w4a16", "w4a8")


def noise(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    return (numpy.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(numpy.float32)


def clip_of(*shape: int, seed: int = 0, frames: int = 8) -> Clip:
    return Clip("clip", tuple({"x": noise(*shape, seed=seed + index)} for index in range(frames)))


def plan_of(
    partition: Partition,
    scheme: Scheme,
    granularity: Granularity | None = None,
    **others: Scheme,
) -> PrecisionPlan:
    flow = NetworkFlow(partition)
    schemes = {node.id: others.get(node.id, scheme) for node in flow.nodes}
    nodes = tuple(NodePrecision(node, chosen, "", granularity) for node, chosen in schemes.items())
    return PrecisionPlan(partition.network, nodes, storage_types(flow, schemes))


def quantized(
    bench: Bench, partition: Partition, plan: PrecisionPlan, clip: Clip, **options: Any
) -> Partition:
    params = dataclasses.replace(PLAIN, **options)
    return quantize(partition, plan, [clip], params=params, workspace=bench.workspace)


def proto_of(bench: Bench, partition: Partition) -> ModelProto:
    files = partition.segments[0].files
    return onnx.load(bench.workspace.folder(files) / files[0].name)


def tensors_of(proto: ModelProto) -> Mapping[str, TensorProto]:
    return {tensor.name: tensor for tensor in proto.graph.initializer}


def sqnr_db(bench: Bench, reference: Partition, other: Partition, clip: Clip, *, exact: bool = True) -> float:
    a = ReferenceNetwork(reference, bench.workspace, exact=exact)
    b = ReferenceNetwork(other, bench.workspace, exact=exact)
    pairs = [(a(frame)["y"].astype(float), b(frame)["y"].astype(float)) for frame in clip.frames]
    signal = sum((left**2).sum() for left, _ in pairs)
    error = sum(((left - right) ** 2).sum() for left, right in pairs)
    return 10 * math.log10(signal / max(float(error), 1e-30))


@pytest.fixture
def net(bench: Bench) -> Partition:
    """Give convolutions of odd sizes, a product and a transposed product."""
    text = """g (float[2,33,7,7] x) => (float[2,9] y)
    {
        a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
        r = Relu (a)
        d = Conv <group = 70, pads = [1, 1, 1, 1]> (r, w2, b2)
        m = GlobalAveragePool (d)
        f = Flatten (m)
        h = Gemm (f, w3, b3)
        t = Tanh (h)
        p = MatMul (t, w4)
        q = Add (b4, p)
        y = Gemm <transB = 1> (q, w5)
    }"""
    weights = {
        "w1": noise(70, 33, 3, 3, scale=0.1),
        "b1": noise(70, scale=0.3),
        "w2": noise(70, 1, 3, 3, scale=0.4),
        "b2": noise(70, scale=0.3),
        "w3": noise(70, 45, scale=0.4),
        "b3": noise(45, scale=0.2),
        "w4": noise(45, 130, scale=0.2),
        "b4": noise(130, scale=0.2),
        "w5": noise(9, 130, scale=0.2),
    }
    return bench.whole(bench.model(text, **weights))


@pytest.mark.parametrize(("scheme", "least_db"), [("w8a16", 35), ("w4a16", 17), ("w4a8", 17)])
@pytest.mark.parametrize("granularity", ["tensor", "channel", 32])
def test_every_scheme_and_granularity_runs(
    bench: Bench, net: Partition, scheme: Scheme, granularity: Granularity, least_db: float
) -> None:
    result = quantized(bench, net, plan_of(net, scheme, granularity), clip_of(2, 33, 7, 7))
    unseen = clip_of(2, 33, 7, 7, seed=100)
    limit = least_db - (7 if granularity == "tensor" else 0)
    assert sqnr_db(bench, net, result, unseen) > limit
    assert sqnr_db(bench, net, result, unseen, exact=False) > limit


def test_four_bit_weights_are_packed_two_to_a_byte(bench: Bench, net: Partition) -> None:
    result = quantized(bench, net, plan_of(net, "w4a8"), clip_of(2, 33, 7, 7))
    proto = proto_of(bench, result)
    assert proto.opset_import[0].version == 21
    stored = tensors_of(proto)
    assert stored["w1::codes"].data_type == TensorProto.INT4
    assert len(stored["w1::codes"].raw_data) == -(-70 * 33 * 9 // 2)
    assert not {"w1", "w2", "w3", "w4", "w5"} & set(stored)
    size = sum(blob.size_bytes for blob in result.segments[0].files)
    weights = (70 * 33 * 9 + 70 * 9 + 70 * 45 + 45 * 130 + 9 * 130) // 2
    scales = 4 * (70 * 2 * 9 + 70 + 3 * 45 + 2 * 130 + 5 * 9)
    assert weights + scales < size < weights + 1.3 * scales + 6000


def test_blocks_lie_along_the_input_channels(bench: Bench, net: Partition) -> None:
    proto = proto_of(bench, quantized(bench, net, plan_of(net, "w4a16"), clip_of(2, 33, 7, 7)))
    stored = tensors_of(proto)
    shapes = {name: tuple(stored[f"{name}::scale"].dims) for name in ("w1", "w2", "w3", "w4", "w5")}
    assert shapes == {"w1": (70, 2, 3, 3), "w2": (70,), "w3": (3, 45), "w4": (2, 130), "w5": (9, 5)}
    axes = {node.input[0]: {a.name: a.i for a in node.attribute} for node in proto.graph.node}
    assert axes["w1::codes"] == {"axis": 1, "block_size": 32}
    assert axes["w2::codes"] == {"axis": 0}  # depthwise: one input channel
    assert axes["w3::codes"] == {"axis": 0, "block_size": 32}
    assert axes["w5::codes"] == {"axis": 1, "block_size": 32}


def test_eight_bit_blocks_of_a_conv_stay_channels_with_eight_bit_activations(
    bench: Bench, net: Partition
) -> None:
    """onnxruntime's QLinearConv fails on such blocks, with the optimisations on."""
    plan = plan_of(net, "w8a8", 32)
    stored = tensors_of(proto_of(bench, quantized(bench, net, plan, clip_of(2, 33, 7, 7))))
    assert tuple(stored["w1::scale"].dims) == (70,)
    assert tuple(stored["w3::scale"].dims) == (3, 45)


def test_sixteen_bit_activations_lie_as_int16(bench: Bench, net: Partition) -> None:
    stored = tensors_of(proto_of(bench, quantized(bench, net, plan_of(net, "w8a16"), clip_of(2, 33, 7, 7))))
    assert stored["r::zero_point"].data_type == TensorProto.INT16
    assert stored["w1::codes"].data_type == TensorProto.INT8
    unsigned = quantized(bench, net, plan_of(net, "w8a16"), clip_of(2, 33, 7, 7), activation_type="uint8")
    assert tensors_of(proto_of(bench, unsigned))["r::zero_point"].data_type == TensorProto.UINT16


def test_a_reader_with_fewer_bits_rounds_for_itself(bench: Bench) -> None:
    text = """g (float[1,4] x) => (float[1,4] y, float[1,4] z)
    {
        t = Sigmoid (x)
        y = Softmax (t)
        z = Tanh (t)
    }"""
    net = bench.whole(bench.model(text))
    plan = plan_of(net, "w8a16", y="w8a8")
    proto = proto_of(bench, quantized(bench, net, plan, clip_of(1, 4)))
    reads = {node.output[0]: node.input[0] for node in proto.graph.node}
    assert reads["y::float"] == "t::rounded"
    assert reads["z::float"] == "t"
    stored = tensors_of(proto)
    assert stored["t::zero_point"].data_type == TensorProto.INT16
    assert stored["t::rounded::zero_point"].data_type == TensorProto.INT8


@pytest.mark.parametrize("scheme", NARROW)
def test_the_bias_of_a_product_is_not_rounded_with_it(bench: Bench, net: Partition, scheme: Scheme) -> None:
    result = quantized(bench, net, plan_of(net, scheme, "channel"), clip_of(2, 33, 7, 7))
    proto = proto_of(bench, result)
    made = {name: node for node in proto.graph.node for name in node.output}
    assert "p::codes" not in made
    bias = made[made["q::float"].input[0]]
    assert tensors_of(proto)[bias.input[0]].data_type == TensorProto.INT32


def test_without_data_driven_rounding_the_codes_are_the_nearest(bench: Bench, net: Partition) -> None:
    options = {"rounding": "nearest", "weight_scales": "max", "bias_correction": False}
    plan = plan_of(net, "w4a8", "channel")
    proto = proto_of(bench, quantized(bench, net, plan, clip_of(2, 33, 7, 7), **options))
    stored = tensors_of(proto)
    scale = onnx.numpy_helper.to_array(stored["w2::scale"]).reshape(70, 1, 1, 1)
    weights = noise(70, 1, 3, 3, scale=0.4)
    codes = onnx.numpy_helper.to_array(stored["w2::codes"]).astype(int)
    assert numpy.abs(weights).max(axis=(1, 2, 3)) / 7 == pytest.approx(scale.reshape(-1))
    assert (numpy.abs(codes - weights / scale) <= 0.5 + 1e-5).all()


def test_a_corrected_bias_restores_the_mean_of_each_channel(bench: Bench) -> None:
    text = """g (float[1,16,6,6] x) => (float[1,5,6,6] y) { y = Conv (x, w) }"""
    net = bench.whole(bench.model(text, w=noise(5, 16, 1, 1)))
    clip = Clip("clip", tuple({"x": noise(1, 16, 6, 6, seed=at) + 2.0} for at in range(8)))
    plan = plan_of(net, "w4a8", "channel", y="w4a8")
    means = {}
    for corrected in (False, True):
        result = quantized(bench, net, plan, clip, rounding="nearest", bias_correction=corrected)
        network = ReferenceNetwork(result, bench.workspace, exact=True)
        exact = ReferenceNetwork(net, bench.workspace, exact=True)
        gaps = [(network(frame)["y"] - exact(frame)["y"]).mean(axis=(0, 2, 3)) for frame in clip.frames]
        means[corrected] = float(numpy.abs(numpy.mean(gaps, axis=0)).max())
    assert means[False] > 0.1
    assert means[True] < 0.02


@pytest.mark.parametrize("scheme", ["w8a8", "w8a16"])
def test_a_mask_of_the_lowest_float_keeps_the_logits_and_masks(bench: Bench, scheme: Scheme) -> None:
    text = """g (float[1,4,8] x, float[1,1,4] open) => (float[1,4,4] y)
    <float one = {1.0}, float lowest = {-3.4e38}>
    {
        q = MatMul (x, w)
        t = Transpose <perm = [0, 2, 1]> (x)
        s = MatMul (q, t)
        closed = Sub (one, open)
        mask = Mul (closed, lowest)
        logits = Add (s, mask)
        y = Softmax <axis = 2> (logits)
    }"""
    net = bench.whole(bench.model(text, w=noise(8, 8, scale=0.3)))
    mask = numpy.array([[[1, 1, 0, 1]]], numpy.float32)
    clip = Clip("clip", tuple({"x": noise(1, 4, 8, seed=at), "open": mask} for at in range(12)))
    result = quantized(bench, net, plan_of(net, scheme), clip)
    network = ReferenceNetwork(result, bench.workspace, exact=True)
    assert max(float(network(frame)["y"][..., 2].max()) for frame in clip.frames) < 0.003
    assert sqnr_db(bench, net, result, clip) > (22 if scheme == "w8a8" else 35)
