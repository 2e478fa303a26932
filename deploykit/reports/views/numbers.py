"""Numbers that may be undefined."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence


def finite(value: float) -> float | None:
    """Give the value, or None for NaN and infinities."""
    return value if math.isfinite(value) else None


def share(part: float, whole: float) -> float:
    """Give part / whole; 0 where there is no whole."""
    return part / whole if whole > 0 else 0.0


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Give Spearman's rank correlation, equal values at the mean of their ranks; None below three pairs or
    where all are equal."""
    if len(first) < 3:
        return None
    middle = (len(first) + 1) / 2
    one, two = ([rank - middle for rank in _ranks(values)] for values in (first, second))
    spread = math.sqrt(sum(rank * rank for rank in one) * sum(rank * rank for rank in two))
    return sum(map(operator.mul, one, two)) / spread if spread else None


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda at: values[at])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            ranks[at] = (start + 1 + end) / 2
        start = end
    return ranks
