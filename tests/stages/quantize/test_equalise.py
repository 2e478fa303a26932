"""Channels of very different size get factors; the float result stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from tests.stages.quantize.test_narrow import (
    Array,
    clip_of,
    noise,
    plan_of,
    proto_of,
    quantized,
    sqnr_db,
)

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

SIZES = numpy.logspace(-2, 0, 8).astype(numpy.float32)
SPREAD: dict[str, Array] = {
    "w1": noise(8, 3, 1, 1) * SIZES.reshape(8, 1, 1, 1),
    "b1": noise(8) * SIZES,
    "w2": noise(4, 8, 1, 1) / SIZES.reshape(1, 8, 1, 1),
    "d": noise(8, 1, 1, 1) / SIZES.reshape(8, 1, 1, 1),
    "a": numpy.full((8, 1, 1), 0.3, numpy.float32),
    "zero": numpy.array(0, numpy.float32),
    "six": numpy.array(6, numpy.float32),
    "w3": noise(4, 8, 1, 1, seed=1),
}


@pytest.mark.parametrize(
    ("between", "name", "gain_db"),
    [
        ("r = Relu (c) y = Conv (r, w2)", "r", 10),
        ("r = PRelu (c, a) y = Conv (r, w2)", "r", 10),
        ("r = Clip (c, zero, six) y = Conv (r, w2)", "r", 10),
        ("r = Relu (c) m = MaxPool <kernel_shape = [1, 1]> (r) y = Conv (m, w2)", "m", 10),
        ("r = Relu (c) e = Conv <group = 8> (r, d) f = Relu (e) y = Conv (f, w3)", "r", 10),  # depthwise
    ],
)
def test_small_channels_keep_their_codes(bench: Bench, between: str, name: str, gain_db: float) -> None:
    text = f"g (float[1,3,6,6] x) => (float[1,4,6,6] y) {{ c = Conv (x, w1, b1) {between} }}"
    net = bench.whole(bench.model(text, **SPREAD))
    plan, seen = plan_of(net, "w8a8"), clip_of(1, 3, 6, 6)
    after = quantized(bench, net, plan, seen, equalisation=True)
    before = quantized(bench, net, plan, seen, equalisation=False)
    assert sqnr_db(bench, net, after, seen) > sqnr_db(bench, net, before, seen) + gain_db
    written = {out for node in proto_of(bench, after).graph.node for out in node.output}
    assert f"{name}::equalised" in written
    assert name not in written
    assert any("factors" in notice and name in notice for notice in after.notices)


def test_an_outlier_channel_behind_a_normalisation(bench: Bench) -> None:
    """SmoothQuant's case: one channel is a hundred times the others."""
    scale = numpy.ones(16, numpy.float32)
    scale[3] = 100
    weights = {"g": scale, "b": noise(16), "w1": noise(16, 5), "w2": noise(16, 7)}
    text = """g (float[6,16] x) => (float[6,12] y)
    { n = LayerNormalization (x, g, b)
      p = MatMul (n, w1)
      q = MatMul (n, w2)
      y = Concat <axis = 1> (p, q) }"""
    net = bench.whole(bench.model(text, **weights))
    plan, seen = plan_of(net, "w8a8", n="float32", y="w8a16"), clip_of(6, 16)
    after = quantized(bench, net, plan, seen, equalisation=True)
    assert "n::equalised" in {out for node in proto_of(bench, after).graph.node for out in node.output}
    before = quantized(bench, net, plan, seen, equalisation=False)
    assert sqnr_db(bench, net, after, seen) > sqnr_db(bench, net, before, seen)


@pytest.mark.parametrize(
    "between",
    [
        "r = HardSwish (c) y = Conv (r, w2)",  # not homogeneous
        "r = Relu (c) p = Conv (r, w2) q = MaxPool <kernel_shape = [6, 6]> (r) y = Mul (p, p) z = Relu (q)",
        "r = Relu (c) p = Conv (r, w2) q = Conv (r, w2) y = Add (p, q)",  # one weight, two readers
    ],
)
def test_where_a_factor_cannot_go(bench: Bench, between: str) -> None:
    second = ", float[1,8,1,1] z" if "z =" in between else ""
    text = f"g (float[1,3,6,6] x) => (float[1,4,6,6] y{second}) {{ c = Conv (x, w1, b1) {between} }}"
    net = bench.whole(bench.model(text, **SPREAD))
    after = quantized(bench, net, plan_of(net, "w8a8"), clip_of(1, 3, 6, 6), equalisation=True)
    assert not any("equalised" in out for node in proto_of(bench, after).graph.node for out in node.output)


def test_a_bound_stays_where_it_was(bench: Bench) -> None:
    """Every channel reaches the bound: none may grow, and none may shrink."""
    weights: dict[str, Array] = {**SPREAD, "b1": noise(8) + 6}
    text = """g (float[1,3,6,6] x) => (float[1,4,6,6] y)
    { c = Conv (x, w1, b1) r = Clip (c, zero, six) y = Conv (r, w2) }"""
    weights["w1"] = noise(8, 3, 1, 1, scale=3)
    net = bench.whole(bench.model(text, **weights))
    after = quantized(bench, net, plan_of(net, "w8a8"), clip_of(1, 3, 6, 6), equalisation=True)
    assert "r" in {out for node in proto_of(bench, after).graph.node for out in node.output}
