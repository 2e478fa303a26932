"""Integer grids for the weights of a layer that is written as matrices.

A layer's weights are an array [groups, rows, columns]: a row makes one output value of one group, its columns
are the inputs that it weighs. Scales are [groups, rows, blocks]; `Grid.block_of` says which block a column
is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

SMALLEST_SCALE = 1e-12

SHRINKS = {4: numpy.linspace(1.0, 0.45, 23), 8: numpy.linspace(1.0, 0.7, 7)}
"""Shares of the largest scale that a search tries, by bits."""


@dataclass(frozen=True)
class Grid:
    """Codes of `bits` bits, symmetric; columns with the same entry in `block_of` share a scale.

    8 bits use [-127, 127], so that negating loses nothing; 4 bits cannot spare a code: [-8, 7].
    """

    bits: int
    block_of: Array

    @property
    def blocks(self) -> int:
        """How many scales a row has."""
        return int(self.block_of.max(initial=0)) + 1

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest code."""
        highest = 2 ** (self.bits - 1) - 1
        return (-highest if self.bits == 8 else -highest - 1), highest

    def spread(self, scales: Array) -> Array:
        """Give each weight's scale."""
        return numpy.asarray(scales[:, :, self.block_of])

    def codes(self, weights: Array, scales: Array) -> Array:
        """Round to the nearest code (ties to even)."""
        lowest, highest = self.bounds
        return numpy.clip(numpy.rint(weights / self.spread(scales)), lowest, highest).astype(numpy.int8)

    def values(self, codes: Array, scales: Array) -> Array:
        """Give the weights that codes stand for."""
        return numpy.asarray(codes * self.spread(scales))


def largest_scales(weights: Array, grid: Grid) -> Array:
    """Give the scales at which nothing saturates."""
    peaks = numpy.zeros((*weights.shape[:2], grid.blocks), numpy.float64)
    for block in range(grid.blocks):
        peaks[:, :, block] = numpy.abs(weights[:, :, grid.block_of == block]).max(axis=2, initial=0.0)
    return _float32(peaks / grid.bounds[1])


def searched_scales(weights: Array, grid: Grid) -> Array:
    """Give the scales with the least squared error of the rounded weights.

    All weights count alike: weighed by the power of their inputs, many small weights are given up for the
    sake of a few strong inputs, and what is clipped adds up.
    """
    largest = largest_scales(weights, grid)
    members = (grid.block_of[:, None] == numpy.arange(grid.blocks)).astype(numpy.float32)
    values = weights.astype(numpy.float32)
    best, least = largest, numpy.full(largest.shape, numpy.inf, numpy.float32)
    for share in SHRINKS[grid.bits]:
        scales = _float32(largest * share)
        error = (grid.values(grid.codes(values, scales), scales) - values) ** 2
        total = error.astype(numpy.float32) @ members
        better = total < least * (1 - 1e-6)
        best, least = numpy.where(better, scales, best), numpy.where(better, total, least)
    return _float32(best)


def _float32(scales: Array) -> Array:
    return numpy.maximum(scales, SMALLEST_SCALE).astype(numpy.float32)
