"""Bootstrap intervals against distributions that are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy
import pytest

from deploykit.analysis.bootstrap import interval, paired_intervals, resamples


def mean_of(values: Sequence[float]) -> Callable[[Sequence[int]], Mapping[str, float]]:
    return lambda drawn: {"mean": float(numpy.mean([values[index] for index in drawn]))}


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = numpy.random.default_rng(0).standard_normal(400).tolist()
    found = paired_intervals(400, mean_of(values), mean_of(values), draws=2000, seed=0)["mean"]
    error = 1.645 * numpy.std(values) / math.sqrt(400)  # 90 % of a normal distribution
    assert found.first.high - found.first.low == pytest.approx(2 * error, rel=0.08)
    assert found.first.low < numpy.mean(values) < found.first.high


def test_pairing_takes_the_clips_own_difficulty_out() -> None:
    hard = numpy.random.default_rng(1).standard_normal(100) * 10
    slightly_worse = (hard - 0.5 + numpy.random.default_rng(2).standard_normal(100) * 0.1).tolist()
    found = paired_intervals(100, mean_of(hard.tolist()), mean_of(slightly_worse), draws=500, seed=3)["mean"]
    assert -0.55 < found.difference.low < found.difference.high < -0.45
    assert found.first.high - found.first.low > 2  # alone, neither mean is known nearly as well


def test_the_same_seed_gives_the_same_draws() -> None:
    assert resamples(10, 5, seed=7) == resamples(10, 5, seed=7)
    assert resamples(10, 5, seed=7) != resamples(10, 5, seed=8)
    assert {len(draw) for draw in resamples(10, 5, seed=7)} == {10}


def test_undefined_values_are_left_out_and_counted() -> None:
    found = interval([1.0, math.nan, 1.0, 1.0])
    assert (found.low, found.high, found.undefined) == (1.0, 1.0, 1)
    nothing = interval([math.nan, math.nan])
    assert math.isnan(nothing.low)
    assert nothing.undefined == 2


def test_a_metric_that_is_missing_on_a_draw_is_undefined_there() -> None:
    def recall(drawn: Sequence[int]) -> Mapping[str, float]:
        return {"recall": 1.0} if 0 in drawn else {}

    found = paired_intervals(2, recall, recall, draws=400, seed=0)["recall"]
    assert (found.difference.low, found.difference.high) == (0.0, 0.0)
    assert found.difference.undefined == pytest.approx(100, abs=30)  # both draws are item 1: a quarter


def test_a_single_clip_has_an_interval_of_no_width() -> None:
    found = paired_intervals(1, mean_of([2.0]), mean_of([3.0]), draws=10, seed=0)["mean"]
    assert (found.difference.low, found.difference.high) == (1.0, 1.0)
