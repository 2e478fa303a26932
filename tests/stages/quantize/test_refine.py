"""Walking through the quantized network: weights for the inputs that layers now have, then biases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.stages.quantize import refine
from tests.stages.quantize.test_narrow import clip_of, noise, plan_of, quantized, sqnr_db

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


def test_later_layers_take_back_what_earlier_ones_lost(bench: Bench) -> None:
    """The first layer's outputs are mixtures of few inputs: many later weights see the same error."""
    text = """g (float[1,6,8,8] x) => (float[1,4,8,8] y)
    { a = Conv (x, w1)
      b = Relu (a)
      y = Conv (b, w2) }"""
    net = bench.whole(bench.model(text, w1=noise(48, 6, 1, 1), w2=noise(4, 48, 1, 1)))
    plan, seen, unseen = plan_of(net, "w4a16"), clip_of(1, 6, 8, 8, frames=16), clip_of(1, 6, 8, 8, seed=50)
    after, before = (quantized(bench, net, plan, seen, refit=fitted) for fitted in (True, False))
    assert sqnr_db(bench, net, after, unseen) > sqnr_db(bench, net, before, unseen) + 2


def test_descent_is_no_worse_than_gptq_alone(bench: Bench) -> None:
    mixing = noise(16, 64, 1, 1)
    text = "g (float[1,16,8,8] x) => (float[1,8,8,8] y) { a = Conv (x, m) y = Conv (a, w) }"
    net = bench.whole(bench.model(text, m=numpy.moveaxis(mixing, 0, 1), w=noise(8, 64, 1, 1)))
    plan, seen = plan_of(net, "w4a16", a="w8a16"), clip_of(1, 16, 8, 8, frames=16)
    errors = [
        sqnr_db(bench, net, quantized(bench, net, plan, seen, rounding=rounding), seen)
        for rounding in ("descent", "gptq", "nearest")
    ]
    assert errors[0] > errors[1] > errors[2]


def test_products_whose_biases_come_later(bench: Bench) -> None:
    """The second MatMul runs before the first one's bias is added; both still get weights and biases."""
    text = """g (float[6,32] x) => (float[6,4] y)
    { p = MatMul (x, w1)
      q = MatMul (x, w2)
      c = Add (p, b1)
      d = Add (q, b2)
      y = Sub (c, d) }"""
    weights = {"w1": noise(32, 4), "w2": noise(32, 4, seed=1), "b1": noise(4), "b2": noise(4, seed=1)}
    net = bench.whole(bench.model(text, **weights))
    plan, seen = plan_of(net, "w4a16"), clip_of(6, 32, frames=30)
    after, before = (
        sqnr_db(bench, net, quantized(bench, net, plan, seen, rounding=rounding), seen)
        for rounding in ("descent", "nearest")
    )
    assert after > before


def test_a_segment_too_large_to_be_run_node_by_node_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "INLINE_BYTES", -1)
    text = "g (float[1,6,8,8] x) => (float[1,4,8,8] y) { y = Conv (x, w) }"
    net = bench.whole(bench.model(text, w=noise(4, 6, 1, 1)))
    result = quantized(bench, net, plan_of(net, "w4a8"), clip_of(1, 6, 8, 8))
    (notice,) = [notice for notice in result.notices if "too many weights" in notice]
    assert notice.startswith(f"{net.segments[0].name} has too many weights to be run node by node")
