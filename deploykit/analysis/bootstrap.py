"""How sure a metric is, from resampling the clips that it was measured on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy

LEVEL = 0.9
"""Share of the resamples inside an interval: 5 % lie below it and 5 % above."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a metric's bootstrap distribution; NaN where it was undefined on every resample."""

    low: float
    high: float
    undefined: int = 0


@dataclass(frozen=True)
class Paired:
    """One metric of two variants on the same clips; `difference` is second - first, draw by draw."""

    first: Interval
    second: Interval
    difference: Interval


def resamples(count: int, draws: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Draw `draws` times `count` of `count` items with replacement; the same seed gives the same draws."""
    drawn = numpy.random.default_rng(seed).integers(0, count, (draws, count))
    return tuple(tuple(int(index) for index in row) for row in drawn)


def interval(values: Sequence[float]) -> Interval:
    """Give the central `LEVEL` of a sample; undefined (NaN) values are counted and left out."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return Interval(math.nan, math.nan, len(values))
    tail = (1 - LEVEL) / 2
    low, high = numpy.quantile(defined, [tail, 1 - tail])
    return Interval(float(low), float(high), len(values) - len(defined))


def paired_intervals(
    count: int,
    first: Callable[[Sequence[int]], Mapping[str, float]],
    second: Callable[[Sequence[int]], Mapping[str, float]],
    *,
    draws: int,
    seed: int,
) -> dict[str, Paired]:
    """Bootstrap the metrics of two variants over the same draws of `count` items.

    Both functions give every metric over the items with the given indices; a metric that they leave out, or
    give as NaN, is undefined on that draw. Pairing matters: what makes a clip hard makes it hard for both
    variants.
    """
    pairs = [(first(draw), second(draw)) for draw in resamples(count, draws, seed)]
    names = dict.fromkeys(name for pair in pairs for metrics in pair for name in metrics)
    result = {}
    for name in names:
        a = [one.get(name, math.nan) for one, _ in pairs]
        b = [other.get(name, math.nan) for _, other in pairs]
        gap = [y - x for x, y in zip(a, b, strict=True)]
        result[name] = Paired(interval(a), interval(b), interval(gap))
    return result
