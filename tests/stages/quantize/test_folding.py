"""Factors of single channels go into the Conv in front of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import onnx
import pytest

from deploykit.artifacts.model import Partition
from tests.stages.quantize.test_narrow import Array, clip_of, noise, plan_of, proto_of, quantized, sqnr_db

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

CASE = (
    Path(os.environ.get("DEPLOYKIT_GOLDEN", "/nowhere/golden")).parent / "cases/case_34_depthwise_ranges.onnx"
)


def test_channels_of_a_thousandfold_range_survive_eight_bits(bench: Bench) -> None:
    factors = numpy.logspace(3, 0, 8).astype(numpy.float32)
    weights: dict[str, Array] = {
        "w": noise(8, 1, 3, 3) / factors.reshape(8, 1, 1, 1),
        "g": factors.reshape(1, 8, 1, 1),
    }
    text = """g (float[1,8,8,8] x) => (float[1,8,8,8] y)
    { c = Conv <group = 8, pads = [1, 1, 1, 1]> (x, w)
      y = Mul (c, g) }"""
    net = bench.whole(bench.model(text, **weights))
    result = quantized(bench, net, plan_of(net, "w8a8"), clip_of(1, 8, 8, 8))
    assert sqnr_db(bench, net, result, clip_of(1, 8, 8, 8, seed=50)) > 30
    said = "c has no scale of its own: the Conv gives y at once, whose channels' factors differ 1e+03-fold"
    assert said in result.notices


@pytest.mark.skipif(not CASE.is_file(), reason="DEPLOYKIT_GOLDEN names no folder beside `cases`")
def test_case_34_is_above_25_db(bench: Bench) -> None:
    net = bench.whole(onnx.load(CASE))
    result = quantized(bench, net, plan_of(net, "w8a8"), clip_of(1, 8, 8, 8, frames=50))
    assert sqnr_db(bench, net, result, clip_of(1, 8, 8, 8, seed=50)) > 25


@pytest.mark.parametrize("op", ["Mul", "Div", "Add", "Sub"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_result_is_the_same(bench: Bench, op: str, bias: bool) -> None:
    values = noise(5, 1, 1) + 3
    weights = {"w": noise(5, 4, 1, 1), "g": values, **({"b": noise(5)} if bias else {})}
    text = f"""g (float[1,4,6,6] x) => (float[1,5,6,6] y)
    {{ c = Conv (x, w{", b" if bias else ""})
      d = {op} (c, g)
      y = Relu (d) }}"""
    net = bench.whole(bench.model(text, **weights))
    result = quantized(bench, net, plan_of(net, "w8a16"), clip_of(1, 4, 6, 6))
    assert [node.op_type for node in proto_of(bench, result).graph.node].count(op) == 0
    assert sqnr_db(bench, net, result, clip_of(1, 4, 6, 6, seed=50)) > 30


def unfolded(bench: Bench, net: Partition) -> int:
    result = quantized(bench, net, plan_of(net, "w8a8"), clip_of(1, 5, 6, 6))
    return [node.op_type for node in proto_of(bench, result).graph.node].count("Mul")


def test_a_tensor_that_others_read_and_a_factor_along_the_width_stay(bench: Bench) -> None:
    weights = {"w": noise(6, 5, 1, 1), "g": noise(6, 1, 1), "h": noise(6)}
    read = """g (float[1,5,6,6] x) => (float[1,6,6,6] y, float[1,6,6,6] z)
    { c = Conv (x, w)
      y = Mul (c, g)
      z = Relu (c) }"""
    along = "g (float[1,5,6,6] x) => (float[1,6,6,6] y) { c = Conv (x, w) y = Mul (c, h) }"
    assert unfolded(bench, bench.whole(bench.model(read, **weights))) == 1
    assert unfolded(bench, bench.whole(bench.model(along, **weights))) == 1
