"""Codes against numbers worked out by hand."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.affine import (
    BIAS_LIMIT,
    CODE_RANGE,
    Affine,
    CodeType,
    affine_for_range,
    bias_codes,
    scales_that_hold,
)


def test_a_range_is_spread_over_all_codes() -> None:
    affine = affine_for_range(-1.0, 3.0, "int8")  # 4 / 255 = 0.0156863; -128 + 1 / 0.0156863 = -64.25
    assert affine.scale == pytest.approx(4 / 255, rel=1e-7)
    assert affine.zero_point == -64
    assert affine.codes(numpy.array([0.0, 1.0, 3.0, -1.0, 99.0, -99.0])).tolist() == [
        -64,
        0,
        127,
        -128,
        127,
        -128,
    ]


def test_uint8_codes_are_those_of_int8_plus_128() -> None:
    assert affine_for_range(-1.0, 3.0, "uint8") == Affine(float(numpy.float32(4 / 255)), 64, "uint8")


def test_a_range_above_zero_starts_at_zero() -> None:
    affine = affine_for_range(2.0, 5.1, "uint8")
    assert affine.scale == pytest.approx(0.02, rel=1e-6)
    assert affine.zero_point == 0


def test_a_range_below_zero_ends_at_zero() -> None:
    affine = affine_for_range(-2.55, -1.0, "int8")
    assert affine.scale == pytest.approx(0.01, rel=1e-6)
    assert affine.zero_point == 127


def test_a_tensor_of_zeros_has_a_usable_scale() -> None:
    assert affine_for_range(0.0, 0.0, "int8") == Affine(1.0, -128, "int8")


def test_a_tiny_range_keeps_the_scale_above_what_float32_products_need() -> None:
    assert affine_for_range(0.0, 1e-30, "int8").scale == numpy.float32(1e-12)


def test_ties_go_to_the_even_code() -> None:
    assert Affine(1.0, 0, "int8").codes(numpy.array([0.5, 1.5, 2.5, -0.5])).tolist() == [0, 2, 2, 0]


@given(
    low=st.floats(-1e4, 0, width=32),
    high=st.floats(0, 1e4, width=32),
    dtype=st.sampled_from(["int8", "uint8"]),
)
def test_every_code_comes_back_as_itself_and_zero_is_exact(low: float, high: float, dtype: CodeType) -> None:
    affine = affine_for_range(low, high, dtype)
    lowest, highest = CODE_RANGE[dtype]
    codes = numpy.arange(lowest, highest + 1).astype(dtype)
    assert (affine.codes(affine.values(codes)) == codes).all()
    assert affine.values(affine.codes(numpy.zeros(1))).tolist() == [0.0]


@given(low=st.floats(-1e4, 0, width=32), high=st.floats(0, 1e4, width=32), part=st.floats(0, 1))
def test_values_in_the_range_are_at_most_one_step_off(low: float, high: float, part: float) -> None:
    affine = affine_for_range(low, high, "int8")
    value = numpy.array([low + part * (high - low)])
    assert abs(affine.values(affine.codes(value))[0] - value[0]) <= affine.scale * 1.001


def test_a_bias_is_counted_in_activation_scale_times_weight_scale() -> None:
    scales = numpy.array([0.5 * 0.01, 0.5 * 0.1])
    assert bias_codes(numpy.array([1.0, -1.0]), scales).tolist() == [200, -20]


def test_a_weight_scale_grows_until_the_bias_fits() -> None:
    activation_scale = 0.5
    bias = numpy.array([5.0, -4.5], numpy.float32)
    tiny = numpy.full(2, 1e-7 / 127, numpy.float32)  # 7.9e-10: 5 would be 1.3e10 codes
    grown = numpy.maximum(tiny, scales_that_hold(bias, activation_scale))
    codes = bias_codes(bias, activation_scale * grown.astype(numpy.float64))
    assert numpy.abs(codes).max() <= BIAS_LIMIT + 128  # the scale is a float32
    assert codes * activation_scale * grown.astype(numpy.float64) == pytest.approx(bias, rel=1e-6)
