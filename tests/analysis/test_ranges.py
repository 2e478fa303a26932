"""Streamed ranges against numpy's own."""

from __future__ import annotations

import numpy
import pytest

from deploykit.analysis.ranges import BINS, NonFinite, RangeObserver


def observe(*frames: numpy.ndarray) -> RangeObserver:
    observer = RangeObserver()
    for frame in frames:
        observer.update(frame.astype(numpy.float32))
    return observer


def test_extremes_over_all_frames() -> None:
    observer = observe(numpy.array([1.0, -2.0]), numpy.array([[0.5, 7.0]]))
    assert (observer.low, observer.high, observer.count) == (-2.0, 7.0, 4)


def test_percentiles_are_numpys_within_a_bin() -> None:
    values = numpy.random.default_rng(0).standard_normal(200_000)
    observer = observe(*numpy.split(values, 20))
    bin_width = 2 * 8.0 / BINS  # the largest magnitude lies between 4 and 8
    for percent in (99.0, 99.9, 99.99):
        low, high = observer.percentile(percent)
        assert low == pytest.approx(numpy.percentile(values, 100 - percent), abs=2 * bin_width)
        assert high == pytest.approx(numpy.percentile(values, percent), abs=2 * bin_width)


def test_a_late_outlier_loses_no_count_and_is_left_out() -> None:
    values = numpy.linspace(-1, 1, 100_000)
    observer = observe(values, numpy.array([1000.0]))
    assert observer.high == 1000.0
    low, high = observer.percentile(99.99)
    bin_width = 2 * 1024 / BINS
    assert high == pytest.approx(1.0, abs=bin_width)
    assert low == pytest.approx(-1.0, abs=bin_width)


def test_the_order_of_the_frames_does_not_matter() -> None:
    frames = [numpy.random.default_rng(seed).standard_normal(500) * 10.0**seed for seed in range(4)]
    assert observe(*frames).percentile(99) == observe(*frames[::-1]).percentile(99)


def test_all_is_kept_at_100_percent() -> None:
    assert observe(numpy.array([-3.0, 0.25, 9.0])).percentile(100) == (-3.0, 9.0)


def test_zeros_first_then_values() -> None:
    observer = observe(numpy.zeros(10), numpy.array([1.0, 2.0]))
    assert observer.percentile(100) == (0.0, 2.0)
    assert observe(numpy.zeros(3)).percentile(99) == (0.0, 0.0)


def test_the_memory_does_not_grow_with_the_frames() -> None:
    observer = RangeObserver()
    for seed in range(50):
        observer.update(numpy.random.default_rng(seed).standard_normal(1000).astype(numpy.float32))
    assert (
        sum(value.nbytes for value in vars(observer).values() if isinstance(value, numpy.ndarray)) == 8 * BINS
    )


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
def test_nan_and_infinity_are_refused(bad: float) -> None:
    with pytest.raises(NonFinite):
        observe(numpy.array([1.0, bad]))


def test_masked_values_do_not_stretch_a_range_but_stay_far_below() -> None:
    observer = RangeObserver()
    observer.update(numpy.array([1.0, -2.0, -3.4e38, 3.0], numpy.float32))
    assert observer.range("minmax", 100) == (-13.0, 3.0)  # 16 below the largest
    only = RangeObserver(histogram=False)
    only.update(numpy.array([0.0, -3.4e38], numpy.float32))
    assert only.range("minmax", 100) == (-16.0, 0.0)
