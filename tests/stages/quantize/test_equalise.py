"""Channels of very different size get factors; the float result stays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.artifacts.model import Partition
from deploykit.stages.dump import DumpParams, collect_dumps
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped
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


@contextlib.contextmanager
def tapped_network(bench: Bench, net: Partition, name: str) -> Iterator[ReferenceNetwork]:
    """Give a network that tells an inner tensor too."""
    with bench.workspace.scratch() as folder:
        yield ReferenceNetwork(*tapped(net, bench.workspace, [name], folder), exact=True)


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
    before = quantized(bench, net, plan, seen, equalisation=False, smoothing=False)
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


def test_dumps_take_the_factors_out_again(bench: Bench) -> None:
    text = """g (float[1,3,6,6] x) => (float[1,4,6,6] y)
    { c = Conv (x, w1, b1) r = Relu (c) y = Conv (r, w2) }"""
    net = bench.whole(bench.model(text, **SPREAD))
    seen = clip_of(1, 3, 6, 6)
    result = quantized(bench, net, plan_of(net, "w8a8"), seen)
    assert [site.tensors for site in result.equalised] == [("c", "r")]
    dumps = [
        collect_dumps(part, [seen], label="", params=DumpParams(), workspace=bench.workspace)
        for part in (net, result)
    ]
    assert [[tensor.name for tensor in dump.tensors] for dump in dumps] == [["x", "c", "r", "y"]] * 2
    assert {tensor.name: tensor.inputs for tensor in dumps[1].tensors}["y"] == ("r",)
    with (
        tapped_network(bench, net, "r") as exact,
        tapped_network(bench, result, "r") as found,
    ):
        for frame in seen.frames:
            wanted, now = exact(frame)["r"], found(frame)["r"]
            error = ((now - wanted) ** 2).mean((0, 2, 3)) / (wanted**2).mean((0, 2, 3)).clip(1e-12)
            assert error.max() < 0.01  # each channel by itself: 20 dB, the smallest is 100 times smaller


def test_a_normalisation_s_factors_lie_last(bench: Bench) -> None:
    scale = numpy.ones(16, numpy.float32)
    scale[3] = 1000
    text = "g (float[6,16] x) => (float[6,5] y) { n = LayerNormalization (x, g, b) y = MatMul (n, w1) }"
    net = bench.whole(bench.model(text, g=scale, b=noise(16), w1=noise(16, 5)))
    result = quantized(bench, net, plan_of(net, "w8a8", n="float32"), clip_of(6, 16))
    assert [site.tensors for site in result.equalised] == [("n",)]
    frame = clip_of(6, 16).frames[0]
    with tapped_network(bench, net, "n") as exact, tapped_network(bench, result, "n") as found:
        # one scale for channels up to 3000 would have steps of 20
        assert found(frame)["n"] == pytest.approx(exact(frame)["n"], rel=0.05, abs=0.5)
