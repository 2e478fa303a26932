"""Ranges chosen from histograms."""

from __future__ import annotations

import numpy
import pytest

from deploykit.analysis.range_choice import least_divergence_limit, least_error_range
from deploykit.analysis.ranges import RangeObserver


def test_one_far_outlier_of_many_values_is_cut_off_and_one_of_few_is_not() -> None:
    """The step is width / 255, its error width^2 / (12 * 255^2) a value; the outlier's error is its distance^2."""
    centres = numpy.array([0.5, 100.0])
    many = least_error_range(centres, numpy.array([10**9, 1]), 0.0, 100.0)
    few = least_error_range(centres, numpy.array([100, 1]), 0.0, 100.0)
    assert many == (0.0, 2.0)  # the least share that is tried
    assert few[1] > 95


def test_the_ends_move_by_themselves() -> None:
    random = numpy.random.default_rng(0)
    observer = RangeObserver()
    values = numpy.concatenate([random.uniform(-1, 1, 10**6), [-50.0]])
    observer.update(values.astype(numpy.float32))
    low, high = observer.range("mse", 0)
    # (50 - l)^2 + 1e6 * ((l + 1) / 255)^2 / 12 is least at l = 21.4
    assert low == pytest.approx(-21.4, abs=1)
    assert high == pytest.approx(1, abs=0.06)


def test_entropy_leaves_out_a_thin_tail() -> None:
    counts = numpy.zeros(4096, numpy.int64)
    counts[:1000] = 1000
    counts[4000] = 1
    limit = least_divergence_limit(counts, 4096.0)
    assert 900 < limit < 1300


def test_a_moving_average_forgets() -> None:
    observer = RangeObserver(histogram=False)
    observer.update(numpy.array([-1.0, 1.0], numpy.float32))
    observer.update(numpy.array([-3.0, 2.0], numpy.float32))
    assert observer.range("moving_average", 0) == pytest.approx((-1.2, 1.1))  # 0.9 * -1 + 0.1 * -3


@pytest.mark.parametrize("method", ["mse", "entropy", "percentile", "minmax", "moving_average"])
def test_a_constant_and_zeros_have_ranges(method: str) -> None:
    for value in (0.0, 5.0):
        observer = RangeObserver()
        observer.update(numpy.full(100, value, numpy.float32))
        low, high = observer.range(method, 99.9)  # type: ignore[arg-type]  # a literal from the list above
        assert low <= value <= high or low == high == value
