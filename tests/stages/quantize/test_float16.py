"""float16 nodes in the quantized file: types, ranges from the data, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import onnx
from onnx import TensorProto

from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, Scheme, TensorPrecision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

GENERATOR = numpy.random.default_rng(0)

NET = """g (float[1,3,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] big)
<float huge = {1e6}>
{
    a = Conv (x, w1)
    b = Relu (a)
    c = Conv (b, w2)
    y = Tanh (c)
    big = Mul (y, huge)
}"""


def quantized(bench: Bench, **schemes: Scheme) -> tuple[Partition, Partition]:
    """Give the float network and the one with these schemes; tensors are stored as their writers have them."""
    weights = {
        "w1": GENERATOR.standard_normal((4, 3, 1, 1)).astype(numpy.float32),
        "w2": GENERATOR.standard_normal((4, 4, 1, 1)).astype(numpy.float32),
    }
    partition = bench.whole(bench.model(NET, **weights))
    names = ("a", "b", "c", "y", "big")
    nodes = tuple(NodePrecision(name, schemes.get(name, "float32"), "test") for name in names)
    stored = tuple(TensorPrecision(n, "int8" if schemes.get(n) == "w8a8" else "float") for n in names)
    clip = Clip("clip", tuple({"x": noise()} for _ in range(4)))
    plan = PrecisionPlan("net", nodes, stored)
    params = QuantizeParams()
    return partition, quantize(partition, plan, [clip], params=params, workspace=bench.workspace)


def noise() -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float32]]:
    return GENERATOR.standard_normal((1, 3, 8, 8)).astype(numpy.float32)


def types_of(bench: Bench, partition: Partition) -> dict[str, int]:
    """Give the element type of every tensor of the first segment's file."""
    files = partition.segments[0].files
    proto = onnx.load(bench.workspace.folder(files) / files[0].name)
    graph = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    return found | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_float16_nodes_behind_int8_ones(bench: Bench) -> None:
    partition, result = quantized(bench, a="w8a8", b="w8a8", c="float16", y="float16", big="float16")
    types = types_of(bench, result)
    assert types["w1::codes"] == TensorProto.INT8
    assert types["w2::float16"] == types["b::float16"] == types["c"] == TensorProto.FLOAT16
    assert types["y"] == types["big"] == types["x"] == TensorProto.FLOAT
    assert result.notices[-1] == (
        "float32 instead of float16: big: constant 'huge' reaches 1e+06, float16 ends at 65504"
    )
    frame = {"x": noise()}
    reference = ReferenceNetwork(partition, bench.workspace)(frame)
    other = ReferenceNetwork(result, bench.workspace)(frame)
    assert numpy.abs(reference["y"] - other["y"]).max() < 0.1
    assert numpy.abs(other["big"] - other["y"] * 1e6).max() <= 1


def test_float16_alone_is_near_float32(bench: Bench) -> None:
    partition, result = quantized(bench, a="float16", b="float16", c="float16", y="float16")
    frame = {"x": noise()}
    reference = ReferenceNetwork(partition, bench.workspace)(frame)["y"]
    error = numpy.abs(ReferenceNetwork(result, bench.workspace)(frame)["y"] - reference).max()
    assert 0 < error < 4e-3
    assert "float16" not in " ".join(result.notices)


def test_a_plan_without_float16_is_untouched(bench: Bench) -> None:
    _, result = quantized(bench, a="w8a8", b="w8a8")
    assert TensorProto.FLOAT16 not in types_of(bench, result).values()
