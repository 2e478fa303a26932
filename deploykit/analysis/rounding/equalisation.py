"""Factors for a tensor's channels, so that channels of very different size get on with one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.rounding.grid import Grid, largest_scales

Array: TypeAlias = NDArray[Any]

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""Powers of the channels' ranges that are tried."""

LARGEST_FACTOR = 1000.0
"""How much a channel grows or shrinks at most; a dead one would grow without end."""

LEAST_GAIN = 0.25
"""Factors are taken where the predicted error falls below this share (by 6 dB) of the error without them.

The prediction knows nothing of what fitting and rounding the weights with the layer's own inputs gains, which
is as much as small differences between channels cost.
"""


@dataclass(frozen=True)
class ChannelSpread:
    """What was seen of each channel of a tensor: its extremes, and its mean square."""

    low: Array
    high: Array
    power: Array

    @property
    def size(self) -> Array:
        """The largest magnitude of each channel."""
        return numpy.maximum(-self.low, self.high)


@dataclass(frozen=True)
class Reader:
    """A layer that weighs the tensor: `weights` [groups, rows, columns], and each column's channel.

    `channel_of` [groups, columns]; `bits` of the activations that it reads.
    """

    weights: Array
    channel_of: Array
    grid: Grid
    bits: int

    def error(self, seen: ChannelSpread, factors: Array) -> float:
        """Predict the squared error of one output position: steps of the input, then of the weights.

        A step s adds s^2 / 12 where it is small beside the values.
        """
        columns = factors[self.channel_of][:, None, :]
        scaled = self.weights / columns
        step = ((seen.high * factors).max() - (seen.low * factors).min()) / (2**self.bits - 1)
        power = (seen.power * factors**2)[self.channel_of][:, None, :]
        steps = self.grid.spread(largest_scales(scaled, self.grid)).astype(numpy.float64)
        return float(((scaled**2).sum() * step**2 + (steps**2 * power).sum()) / 12)

    def column_size(self, channels: int) -> Array:
        """Give the largest weight of each channel."""
        found = numpy.zeros(channels)
        numpy.maximum.at(found, self.channel_of, numpy.abs(self.weights).max(axis=1))
        return found


def channel_factors(
    seen: ChannelSpread, readers: Sequence[Reader], limit: float, *, least_gain: float = LEAST_GAIN
) -> Array | None:
    """Give what each channel grows by; its readers' weights shrink by the same. None where it gains little.

    `limit` is an upper bound that the tensor was cut at: no channel grows beyond it, and none shrinks.
    The power of a range divided by that of a weight is SmoothQuant's factor (Xiao et al. 2022, arXiv
    2211.10438), the range alone is what a layer with a scale for each channel wants (Nagel et al. 2019, arXiv
    1906.04721, has the geometric mean of both). Which one is taken follows from the predicted error.
    """
    if not seen.size.any():
        return None
    ones = numpy.ones(len(seen.size))
    best, least = None, least_gain * sum(reader.error(seen, ones) for reader in readers)
    for factors in _candidates(seen, readers):
        bounded = _bounded(factors, seen, limit)
        error = sum(reader.error(seen, bounded) for reader in readers)
        if error < least:
            best, least = bounded, error
    return best


def _candidates(seen: ChannelSpread, readers: Sequence[Reader]) -> Iterator[Array]:
    size = numpy.maximum(seen.size, seen.size.max() / LARGEST_FACTOR)
    columns = numpy.max([reader.column_size(len(size)) for reader in readers], axis=0)
    columns = numpy.maximum(columns / max(columns.max(), 1e-30), 1 / LARGEST_FACTOR)
    for strength in STRENGTHS:
        yield size**-strength
        if strength < 1:
            yield columns ** (1 - strength) * size**-strength


def _bounded(factors: Array, seen: ChannelSpread, limit: float) -> Array:
    """Keep the tensor's largest magnitude, and the bound that it was cut at."""
    factors = factors * (seen.size.max() / (seen.size * factors).max())
    factors = numpy.clip(factors, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    if numpy.isfinite(limit):
        room = limit / numpy.maximum(seen.high, limit / LARGEST_FACTOR)
        factors = numpy.maximum(numpy.minimum(factors, room), 1.0)
    return factors
