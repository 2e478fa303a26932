"""Measures of two tensors against float64 oracles and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.align.element_types import Array
from deploykit.align.metrics import METRICS, needs_exact
from deploykit.align.sums import CHUNK, difference_sums


def measure(a: object, b: object) -> dict[str, float]:
    sums = difference_sums(numpy.asarray(a, numpy.float32), numpy.asarray(b, numpy.float32))
    return {name: metric(sums) for name, metric in METRICS.items()}


def test_numbers_worked_out_by_hand() -> None:
    found = measure([3.0, 4.0], [3.0, 3.0])
    assert found["cosine"] == pytest.approx(21 / (5 * math.sqrt(18)))
    assert found["relative_l2"] == pytest.approx(1 / 5)
    assert found["sqnr_db"] == pytest.approx(20 * math.log10(5))
    assert (found["max_abs"], found["mean_abs"]) == (1.0, 0.5)


def test_a_tiny_cosine_distance_keeps_its_digits() -> None:
    generator = numpy.random.default_rng(1)
    a = generator.standard_normal(1_000_000).astype(numpy.float32)
    b = (a + generator.standard_normal(a.size) * 4.5e-4).astype(numpy.float32)
    x, y = a.astype(numpy.longdouble), b.astype(numpy.longdouble)
    exact = float(1 - (x @ y) / numpy.sqrt((x @ x) * (y @ y)))
    assert exact == pytest.approx(1e-7, rel=0.05)
    assert measure(a, b)["cosine_distance"] == pytest.approx(exact, rel=1e-3)


def test_the_same_tensor_twice() -> None:
    found = measure([1.0, -2.0], [1.0, -2.0])
    assert (found["cosine"], found["relative_l2"], found["sqnr_db"], found["max_abs"]) == (
        1.0,
        0.0,
        math.inf,
        0.0,
    )


def test_two_zero_tensors_are_the_same() -> None:
    found = measure(numpy.zeros(4), numpy.zeros(4))
    assert (found["cosine"], found["relative_l2"], found["sqnr_db"]) == (1.0, 0.0, math.inf)


def test_one_zero_tensor_has_no_direction() -> None:
    lost, made = measure([1.0, 1.0], [0.0, 0.0]), measure([0.0, 0.0], [1.0, 1.0])
    assert math.isnan(lost["cosine"])
    assert math.isnan(made["cosine"])
    assert (lost["relative_l2"], lost["sqnr_db"]) == (1.0, 0.0)
    assert (made["relative_l2"], made["sqnr_db"]) == (math.inf, -math.inf)


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    a = numpy.array([1.0, 2.0, numpy.inf, 4.0], numpy.float32)
    b = numpy.array([numpy.nan, 2.5, numpy.inf, 4.0], numpy.float32)
    sums = difference_sums(a, b)
    assert (sums.nonfinite, sums.count, sums.max_abs, sums.max_abs_index) == (2, 2, 0.5, 1)


def test_only_nan() -> None:
    sums = difference_sums(numpy.array([1.0]), numpy.array([numpy.nan]))
    assert (sums.nonfinite, sums.count, sums.max_abs_index) == (1, 0, -1)


def test_the_largest_difference_has_its_place_in_the_whole_tensor() -> None:
    a = numpy.zeros((3, CHUNK), numpy.float32)
    b = a.copy()
    b[1, 7], b[2, 11] = 1.0, -2.0
    assert difference_sums(a, b).max_abs_index == 2 * CHUNK + 11


def test_integers_do_not_wrap() -> None:
    a, b = numpy.array([300], numpy.int32), numpy.array([44], numpy.int8)  # 300 - 256 = 44
    assert difference_sums(a, b).max_abs == 256


def test_shapes_have_to_agree() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        difference_sums(numpy.zeros((2, 3)), numpy.zeros((3, 2)))


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.floats(-1e3, 1e3, width=32)), min_size=1, max_size=40
    ),
    st.integers(0, 40),
)
def test_sums_of_parts_are_the_sums_of_the_whole(pairs: list[tuple[float, float]], cut: int) -> None:
    a, b = numpy.array(pairs, numpy.float64).T
    whole, parts = (
        difference_sums(a, b),
        difference_sums(a[:cut], b[:cut]).plus(difference_sums(a[cut:], b[cut:]), cut),
    )
    for name in ("count", "aa", "bb", "dd", "d_ab", "abs_d", "max_abs", "nonfinite"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-12, abs=1e-9)
    assert abs(b - a)[parts.max_abs_index] == whole.max_abs


def noisy(count: int, noise: float, gain: float = 1.0) -> tuple[Array, Array]:
    generator = numpy.random.default_rng(7)
    a = generator.standard_normal(count).astype(numpy.float32)
    return a, (gain * a + noise * generator.standard_normal(count)).astype(numpy.float32)


def oracle(a: Array, b: Array) -> dict[str, float]:
    x, y = a.astype(numpy.longdouble), b.astype(numpy.longdouble)
    d = y - x
    aa, bb, dd = x @ x, y @ y, d @ d
    residual = y - x * ((x @ y) / aa)  # what is orthogonal to the reference: no cancellation near 1
    sine = numpy.sqrt((residual @ residual) / bb)
    return {
        "cosine_distance": float(sine**2 / (1 + numpy.sqrt(1 - sine**2))),
        "relative_l2": float(numpy.sqrt(dd / aa)),
        "sqnr_db": float(10 * numpy.log10(aa / dd)),
        "max_abs": float(abs(d).max()),
        "mean_abs": float(abs(d).mean()),
    }


@pytest.mark.parametrize("noise", [3e-6, 4.5e-4, 0.1, 3.0])
@pytest.mark.parametrize("gain", [1.0, 1.001])
def test_float64_sums_are_those_of_the_oracle(noise: float, gain: float) -> None:
    a, b = noisy(300_001, noise, gain)
    sums = difference_sums(a, b, exact=True)
    for name, value in oracle(a, b).items():
        if name == "cosine_distance" and gain != 1.0:
            continue  # what is left of |d| beside the gain; held below
        assert METRICS[name](sums) == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("noise", [3e-6, 4.5e-4, 0.1, 3.0])
@pytest.mark.parametrize("gain", [1.0, 1.001, 1.05])
def test_quick_sums_keep_three_digits(noise: float, gain: float) -> None:
    a, b = noisy(300_001, noise, gain)
    sums = difference_sums(a, b, exact=False)
    if needs_exact(sums):
        sums = difference_sums(a, b, exact=True)
    for name, value in oracle(a, b).items():
        assert METRICS[name](sums) == pytest.approx(value, rel=1e-3), name


@given(
    st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=1, max_size=50),
    st.floats(0, 2.0**100, width=32),
    st.integers(0, 60_000),
)
def test_quick_sums_hold_what_float32_cannot(values: list[float], size: float, zeros: int) -> None:
    """Squares that overflow or vanish in float32, in the midst of chunks of zeros."""
    a = numpy.concatenate([numpy.zeros(zeros), values, numpy.zeros(40_000)]).astype(numpy.float32)
    b = (a * numpy.float32(1.5) if size == 0 else a + numpy.float32(size)).astype(numpy.float32)
    with numpy.errstate(over="ignore"):
        quick, exact = difference_sums(a, b, exact=False), difference_sums(a, b, exact=True)
    for name in ("count", "aa", "bb", "dd", "max_abs", "nonfinite", "same_bits"):
        assert getattr(quick, name) == pytest.approx(getattr(exact, name), rel=1e-5), name
    at = quick.max_abs_index  # differences may be equal in float32
    assert abs(float(b[at]) - float(a[at])) == pytest.approx(exact.max_abs, rel=1e-6)


def test_quick_sums_find_nan_and_its_place() -> None:
    a = numpy.zeros(5 * CHUNK, numpy.float32)
    b = a.copy()
    b[3 * CHUNK + 5] = numpy.nan
    b[4 * CHUNK] = numpy.inf
    sums = difference_sums(a, b, exact=False)
    assert (sums.nonfinite, sums.nonfinite_index, sums.nan_b, sums.inf_b) == (2, 3 * CHUNK + 5, 1, 1)


def test_infinite_alike_is_no_difference() -> None:
    a = numpy.array([-numpy.inf, 1.0], numpy.float32)
    sums = difference_sums(a, a, exact=False)
    assert METRICS["nonfinite"](sums) == 0
    assert METRICS["bit_exact"](sums) == 1


def test_minus_zero_has_other_bits() -> None:
    a = numpy.zeros(CHUNK, numpy.float32)
    assert METRICS["bit_exact"](difference_sums(a, -a, exact=False)) == 0
    assert METRICS["bit_exact"](difference_sums(a, -a)) == 0
