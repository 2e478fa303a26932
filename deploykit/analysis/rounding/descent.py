"""Improve rounded weights one column after the other, each given all others."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.rounding.grid import Grid

Array: TypeAlias = NDArray[Any]

SWEEPS = 3
"""How often each column is seen; later sweeps change next to nothing."""

BATCH = 64
"""Columns whose changes reach the others together."""


def descended_codes(
    codes: Array, weights: Array, scales: Array, hessian: Array, grid: Grid, *, damping: float
) -> Array:
    """Give codes [groups, rows, columns] with no larger error (Q - W) H (Q - W)^T than `codes`.

    Coordinate descent on the grid: a column's best value given the others is q - g / H, g the gradient's
    half; it is rounded. Behdin et al. 2023, "QuantEase", arXiv 2309.01885. `damping` is the share of the mean
    diagonal that `hessian` grows by.
    """
    product = hessian.astype(numpy.float64)
    diagonal = numpy.einsum("gkk->gk", product)
    mean = numpy.maximum(diagonal.mean(axis=1, keepdims=True), 1e-12)
    diagonal += numpy.where(diagonal > 0, damping * mean, mean)
    spread = grid.spread(scales).astype(numpy.float64)
    lowest, highest = grid.bounds
    found = codes.astype(numpy.float64)
    slope = (found * spread - weights) @ product
    for _ in range(SWEEPS):
        for start in range(0, found.shape[2], BATCH):
            inside = slice(start, start + BATCH)
            near, moved = slope[:, :, inside].copy(), numpy.zeros_like(found[:, :, inside])
            for at in range(moved.shape[2]):
                scale = spread[:, :, start + at]
                wish = found[:, :, start + at] - near[:, :, at] / (diagonal[:, start + at, None] * scale)
                new = numpy.clip(numpy.rint(wish), lowest, highest)
                moved[:, :, at] = (new - found[:, :, start + at]) * scale
                near += moved[:, :, at, None] * product[:, None, start + at, inside]
                found[:, :, start + at] = new
            slope += moved @ product[:, inside]
    return found.astype(numpy.int8)
