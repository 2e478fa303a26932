"""What products read has a factor for each channel, by a multiplication in front of the rounding."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy

from tests.stages.quantize.test_narrow import Array, clip_of, noise, plan_of, proto_of, quantized, sqnr_db

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

OUTLIER = numpy.ones(16, numpy.float32)
OUTLIER[3] = 100
BLOCK = """g (float[6,16] x) => (float[6,5] y, float[6,7] z, float[6,16] s)
<int64[2] shape = {6, 16}>
{
    n = LayerNormalization (x, g, b)
    v = Reshape (n, shape)
    y = MatMul (v, w1)
    z = MatMul (n, w2)
    s = Add (n, x)
}"""


def test_an_outlier_channel_of_a_normalisation_gets_a_factor(bench: Bench) -> None:
    """The residual path reads the normalisation as it is; both products read int8 codes."""
    weights = {"g": OUTLIER, "b": noise(16), "w1": noise(16, 5), "w2": noise(16, 7)}
    net = bench.whole(bench.model(BLOCK, **weights))
    plan, seen = plan_of(net, "w8a8", n="float32", s="float32"), clip_of(6, 16)
    after = quantized(bench, net, plan, seen)
    graph = proto_of(bench, after).graph
    makers = {name: node for node in graph.node for name in node.output}
    factors = [node for node in graph.node if node.op_type == "Mul"]
    assert sorted(node.output[0] for node in factors) == ["n::smoothed", "v::smoothed"]
    for node in (node for node in graph.node if node.op_type == "MatMul"):
        dequantize = makers[node.input[0]]
        assert dequantize.op_type == "DequantizeLinear"
        assert makers[dequantize.input[0]].input[0].endswith("::smoothed")
    assert list(makers["s"].input) == ["n", "x"]  # unrounded, and with its own values
    assert any("::smoothed" in notice for notice in after.notices)
    before = quantized(bench, net, plan, seen, smoothing=False)
    assert sqnr_db(bench, net, after, seen) > sqnr_db(bench, net, before, seen) + 10


def test_a_hard_swish_on_a_layers_way_out_gets_factors_and_one_behind_codes_does_not(bench: Bench) -> None:
    """In front of its rounding the chip has real numbers; a table from codes to codes has one scale."""
    sizes = numpy.logspace(-2, 1, 16).astype(numpy.float32)
    text = (
        """g (float[6,16] x) => (float[6,5] y) { h = Gemm (x, w1, b) r = HardSwish (h) y = MatMul (r, w2) }"""
    )
    weights: dict[str, Array] = {
        "w1": noise(16, 16) * sizes,
        "b": noise(16) * sizes,
        "w2": noise(16, 5) / sizes[:, None],
    }
    net = bench.whole(bench.model(text, **weights))
    plan, seen = plan_of(net, "w8a8"), clip_of(6, 16)
    fused = dataclasses.replace(plan, fused=("h",))
    after = quantized(bench, net, fused, seen)
    assert "r::smoothed" in {name for node in proto_of(bench, after).graph.node for name in node.output}
    assert "r::float" not in {name for node in proto_of(bench, after).graph.node for name in node.output}
    before = quantized(bench, net, fused, seen, smoothing=False)
    assert sqnr_db(bench, net, after, seen) > sqnr_db(bench, net, before, seen) + 6
    alone = quantized(bench, net, plan, seen)
    assert not any("smoothed" in name for node in proto_of(bench, alone).graph.node for name in node.output)


def test_channels_of_one_size_stay_as_they_are(bench: Bench) -> None:
    text = "g (float[6,16] x) => (float[6,5] y) { n = LayerNormalization (x, g, b) y = MatMul (n, w) }"
    weights = {"g": numpy.ones(16, numpy.float32), "b": numpy.zeros(16, numpy.float32), "w": noise(16, 5)}
    net = bench.whole(bench.model(text, **weights))
    after = quantized(bench, net, plan_of(net, "w8a8", n="float32"), clip_of(6, 16))
    assert not any(node.op_type == "Mul" for node in proto_of(bench, after).graph.node)
