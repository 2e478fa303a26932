"""Scales of weights and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from deploykit.artifacts.model import Partition
from deploykit.stages.quantize.params import QuantizeParams
from tests.stages.quantize.planned import clips_of, proto_of, quantized, sqnr_db, weights_of
from tests.stages.quantize.test_narrow import noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


def test_a_large_bias_on_tiny_weights_does_not_saturate(bench: Bench) -> None:
    text = "g (float[1,1,1,2] x) => (float[1,2,1,2] y) { y = Conv (x, w, b) }"
    weights = numpy.array([1e-9, 0.5], numpy.float32).reshape(2, 1, 1, 1)
    partition = bench.whole(bench.model(text, w=weights, b=numpy.array([5.0, -4.5], numpy.float32)))
    clips = clips_of(1, 1, 1, 2)
    result = quantized(bench, partition, clips)
    assert sqnr_db(bench, partition, result, clips)["y"] > 40
    codes = weights_of(proto_of(bench, result))["b::codes"].astype(float)
    assert numpy.abs(codes).max() < 2**30 + 2**8


def test_a_weight_that_is_listed_as_an_input_and_renamed_is_a_weight(bench: Bench) -> None:
    text = """g (float[1,4,8,8] x, float[4,4,1,1] w) => (float[1,4,8,8] y)
{
    same = Identity (w)
    y = Conv (x, same)
}"""
    partition = bench.whole(bench.model(text, w=noise(4, 4, 1, 1)))
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    assert weights_of(proto_of(bench, result))["w::codes"].dtype == numpy.int8
    assert [value.name for value in proto_of(bench, result).graph.input] == ["x"]


def test_per_tensor_weights_have_one_scale(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16), params=QuantizeParams(per_channel=False))
    weights = weights_of(proto_of(bench, result))
    assert [weights[f"w{index}::scale"].shape for index in (1, 2, 3, 4)] == [()] * 4
