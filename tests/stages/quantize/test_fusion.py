"""What a chip computes on a layer's way out is rounded once, behind the function."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import ChipProfile
from deploykit.stages.precision import PrecisionParams, SchemeException, plan_precision
from deploykit.tasks.protocol import Clip
from tests.stages.quantize.test_narrow import clip_of, noise, plan_of, proto_of, quantized, sqnr_db

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

SILU = """g (float[1,3,8,8] x) => (float[1,4,8,8] y)
{
    c = Conv (x, w1, b)
    s = Sigmoid (c)
    m = Mul (c, s)
    y = Conv (m, w2)
}"""


def chip(bench: Bench, *fuses: str) -> ChipProfile:
    profile = bench.profile()
    return dataclasses.replace(profile, engines=(dataclasses.replace(profile.engines[0], fuses=fuses),))


def plan_for(bench: Bench, net: Partition, *fuses: str, **exceptions: str) -> PrecisionPlan:
    asked = tuple(SchemeException(name, "float32") for name in exceptions)
    params = PrecisionParams(exceptions=asked)
    return plan_precision(
        net, bench.costs(net, "w8a8", "float32"), profile=chip(bench, *fuses), params=params
    )


def rounded(bench: Bench, net: Partition, plan: PrecisionPlan, **options: bool) -> set[str]:
    shape = [size for size in net.tensor["x"].shape or () if isinstance(size, int)]
    result = quantized(bench, net, plan, clip_of(*shape), **options)
    nodes = proto_of(bench, result).graph.node
    return {node.input[0].removesuffix("::float") for node in nodes if node.op_type == "QuantizeLinear"}


@pytest.fixture
def silu(bench: Bench) -> Partition:
    """Give a SiLU between two layers."""
    weights = {"w1": noise(8, 3, 1, 1), "b": noise(8) - 4, "w2": noise(4, 8, 1, 1)}
    return bench.whole(bench.model(SILU, **weights))


def test_a_silu_that_the_chip_fuses_is_rounded_once(bench: Bench, silu: Partition) -> None:
    plan = plan_for(bench, silu, "Sigmoid", "Mul")
    assert plan.fused == ("c", "s")
    assert rounded(bench, silu, plan) == {"x", "m", "y"}
    assert rounded(bench, silu, plan, fusion=False) == {"x", "c", "m", "y"}
    assert rounded(bench, silu, plan_for(bench, silu, "Relu")) == {"x", "c", "m", "y"}


def test_a_range_below_zero_costs_no_codes(bench: Bench) -> None:
    """x in [-15, 1] has steps of 1 / 16; SiLU's result in [-0.28, 0.73] has steps of 1 / 253."""
    text = """g (float[1,1,1,257] x) => (float[1,1,1,257] y)
    { c = Conv (x, w)
      s = Sigmoid (c)
      y = Mul (c, s) }"""
    net = bench.whole(bench.model(text, w=numpy.ones((1, 1, 1, 1), numpy.float32)))
    plan = plan_of(net, "w8a8", c="w8a16")  # x itself in 16 bits
    plan = dataclasses.replace(plan, fused=("c", "s"))
    values = numpy.random.default_rng(0).uniform(-15, 1, (1, 1, 1, 257)).astype(numpy.float32)
    clip = Clip("clip", ({"x": values},))
    once = sqnr_db(bench, net, quantized(bench, net, plan, clip), clip)
    twice = sqnr_db(bench, net, quantized(bench, net, plan, clip, fusion=False), clip)
    assert once > twice + 6


def test_a_layer_in_float_hands_over_a_rounded_value(bench: Bench, silu: Partition) -> None:
    assert "c" in rounded(bench, silu, plan_for(bench, silu, "Sigmoid", c="float32"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("c = Conv (x, w) y = PRelu (c, a)", {"x", "y"}),
        ("c = Conv (x, w) y = LeakyRelu (c)", {"x", "y"}),
        ("c = Conv (x, w) d = Conv (x, w) y = Add (c, d)", {"x", "c", "d", "y"}),  # another tensor joins
        ("c = Conv (x, w) s = Add (c, x) y = LeakyRelu (s)", {"x", "c", "y"}),  # the sum's function
        ("c = Conv (x, w) s = LeakyRelu (c) y = Mul (c, s)", {"x", "y"}),  # both of the same value
        ("c = Conv (x, w) s = LeakyRelu (c) y = MatMul (c, s)", {"x", "c", "s", "y"}),  # c has another reader
    ],
)
def test_where_nothing_is_rounded(bench: Bench, body: str, expected: set[str]) -> None:
    text = f"g (float[1,4,4,4] x) => (float[1,4,4,4] y) {{ {body} }}"
    net = bench.whole(bench.model(text, w=noise(4, 4, 1, 1), a=noise(4, 1, 1)))
    plan = plan_for(bench, net, "Add", "LeakyRelu", "PRelu", "Mul")
    assert rounded(bench, net, plan) == expected


def test_a_gelu_that_is_spelt_out_is_one_function(bench: Bench) -> None:
    """Exporters write x * (1 + Erf(x / sqrt(2))) * 0.5 below opset 20."""
    text = """g (float[6,16] x) => (float[6,5] y)
    <float root = {1.4142135}, float one = {1.0}, float half = {0.5}>
    { h = MatMul (x, w1)
      d = Div (h, root)
      e = Erf (d)
      s = Add (e, one)
      m = Mul (h, s)
      r = Mul (m, half)
      y = MatMul (r, w2) }"""
    net = bench.whole(bench.model(text, w1=noise(16, 16), w2=noise(16, 5)))
    plan = plan_for(bench, net, "Gelu", "Add", "Mul")
    assert {"h", "d", "e", "s", "m"} <= set(plan.fused)
    assert rounded(bench, net, plan, smoothing=False) == {"x", "r", "y"}
    assert rounded(bench, net, plan_for(bench, net, "Relu"), smoothing=False) == {"x", "h", "r", "y"}
