"""Improve rounded weights one column after the other, each given all others."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.rounding.grid import Grid

Array: TypeAlias = NDArray[Any]

SWEEPS = 3
"""How often each column is seen; later sweeps change next to nothing."""


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
        moved = 0
        for at in range(found.shape[2]):
            scale = spread[:, :, at]
            wish = found[:, :, at] - slope[:, :, at] / (diagonal[:, at, None] * scale)
            new = numpy.clip(numpy.rint(wish), lowest, highest)
            step = new - found[:, :, at]
            changed = numpy.abs(step) > 0
            if not changed.any():
                continue
            moved += int(changed.sum())
            slope += (step * scale)[:, :, None] * product[:, None, at, :]
            found[:, :, at] = new
        if not moved:
            break
    return found.astype(numpy.int8)
