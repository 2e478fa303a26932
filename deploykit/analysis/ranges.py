"""Activation ranges from any number of frames, in bounded memory."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.range_choice import least_divergence_limit, least_error_range

Method: TypeAlias = Literal["minmax", "percentile", "mse", "entropy", "moving_average"]
Array: TypeAlias = NDArray[Any]

BINS = 8192


MOMENTUM = 0.9
"""What a moving average keeps of the frames before."""


MASKED = -1e9
"""Values from here down say "not this one" to a Softmax; their size means nothing."""

SUPPRESSED = 16.0
"""How far below the largest value they have to stay: there a Softmax gives e^-16, less than a 16-bit step."""


class NonFinite(ValueError):
    """Values hold NaN or infinity."""


class RangeObserver:
    """Sees a tensor frame by frame; tells its smallest and largest value, and its percentiles.

    The histogram covers [-limit, limit] in `BINS` bins. `limit` is a power of two that doubles when a value
    lies outside: neighbouring bins merge, no count is lost, and the order of the frames does not matter. A
    bin is at most 1/2048 of the largest magnitude seen.
    """

    def __init__(self, *, histogram: bool = True) -> None:
        self.low = numpy.inf
        self.high = -numpy.inf
        self.count = 0
        self.average = (0.0, 0.0)
        self.masked = False
        self._counts = numpy.zeros(BINS, numpy.int64) if histogram else None
        self._limit = 0.0

    def update(self, values: Array) -> None:
        """See one frame's values. Raises NonFinite."""
        if values.size == 0:
            return
        low, high = float(values.min()), float(values.max())
        if not (numpy.isfinite(low) and numpy.isfinite(high)):
            raise NonFinite
        if low <= MASKED:
            self.masked = True
            values = values[values > MASKED]
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        self.low, self.high = min(self.low, low), max(self.high, high)
        keep = MOMENTUM if self.count else 0.0
        self.average = (
            keep * self.average[0] + (1 - keep) * low,
            keep * self.average[1] + (1 - keep) * high,
        )
        self.count += values.size
        if self._counts is not None:
            self._widen(max(-low, high))
            self._counts += self._histogram(values, self._limit)

    def range(self, method: Method, percent: float) -> tuple[float, float]:
        """Give the range that a method chooses; never wider than what was seen, but for masked values."""
        low, high = self._chosen(method, percent)
        return (min(low, high - SUPPRESSED), high) if self.masked else (low, high)

    def _chosen(self, method: Method, percent: float) -> tuple[float, float]:
        if method == "percentile":
            return self.percentile(percent)
        if method == "moving_average":
            return self.average
        if method == "minmax" or self._counts is None or self._limit == 0.0:
            return self.low, self.high
        width = 2 * self._limit / BINS
        if method == "mse":
            centres = (numpy.arange(BINS) + 0.5) * width - self._limit
            low, high = least_error_range(centres, self._counts, self.low, self.high)
        else:
            magnitudes = self._counts[BINS // 2 :] + self._counts[: BINS // 2][::-1]
            high = least_divergence_limit(magnitudes, self._limit)
            low = -high
        return max(self.low, low), min(self.high, high)

    def percentile(self, percent: float) -> tuple[float, float]:
        """Give the range that leaves (100 - percent) % of all values out at each end.

        Never wider than what was seen; as fine as the histogram's bins, whose outer edges it takes.
        """
        if self._counts is None:
            raise ValueError("this observer keeps no histogram")
        if self.count == 0 or self._limit == 0.0:
            return self.low, self.high
        outside = self.count * (1 - percent / 100)
        below = numpy.cumsum(self._counts)
        above = numpy.cumsum(self._counts[::-1])
        first = int(numpy.argmax(below > outside))
        last = BINS - 1 - int(numpy.argmax(above > outside))
        width = 2 * self._limit / BINS
        return max(self.low, first * width - self._limit), min(self.high, (last + 1) * width - self._limit)

    def _widen(self, magnitude: float) -> None:
        assert self._counts is not None
        if magnitude <= self._limit or magnitude == 0.0:
            return
        limit = float(2.0 ** numpy.ceil(numpy.log2(magnitude)))
        while 0.0 < self._limit < limit:
            merged = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = numpy.zeros(BINS, numpy.int64)
            self._counts[BINS // 4 : BINS // 4 + BINS // 2] = merged
            self._limit *= 2
        if self._limit == 0.0:
            self._counts[BINS // 2] = self._counts.sum()  # all values so far were zero
            self._limit = limit

    @staticmethod
    def _histogram(values: Array, limit: float) -> Array:
        if limit == 0.0:
            counts = numpy.zeros(BINS, numpy.int64)
            counts[BINS // 2] = values.size
            return counts
        position = (values.reshape(-1).astype(numpy.float32) + numpy.float32(limit)) * numpy.float32(
            BINS / (2 * limit)
        )
        return numpy.bincount(numpy.minimum(position.astype(numpy.int32), BINS - 1), minlength=BINS)
