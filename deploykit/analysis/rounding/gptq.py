"""Round weights one column after the other; later columns make up for the errors of earlier ones."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.rounding.grid import Grid

Array: TypeAlias = NDArray[Any]

BATCH = 128
"""Columns whose errors reach the remaining ones together."""


def gptq_codes(weights: Array, scales: Array, hessian: Array, grid: Grid, *, damping: float) -> Array:
    """Give the codes [groups, rows, columns] that keep `weights @ inputs`, with fixed scales.

    `hessian` [groups, columns, columns] is the sum (or mean) of inputs x inputs^T; its diagonal grows by the
    share `damping` of its mean. Columns with the strongest inputs go first. Frantar et al.
    2022, "GPTQ", arXiv 2210.17323.
    """
    order = numpy.argsort(-numpy.diagonal(hessian, axis1=1, axis2=2), axis=1, kind="stable")
    factor = _factor(hessian, order, damping)
    left = numpy.take_along_axis(weights.astype(numpy.float64), order[:, None, :], axis=2)
    spread = numpy.take_along_axis(grid.spread(scales).astype(numpy.float64), order[:, None, :], axis=2)
    lowest, highest = grid.bounds
    codes = numpy.zeros(left.shape, numpy.int8)
    count = left.shape[2]
    for start in range(0, count, BATCH):
        end = min(start + BATCH, count)
        errors = numpy.zeros((*left.shape[:2], end - start))
        for at in range(start, end):
            column, scale = left[:, :, at], spread[:, :, at]
            rounded = numpy.clip(numpy.rint(column / scale), lowest, highest)
            codes[:, :, at] = rounded
            error = (column - rounded * scale) / factor[:, at, at][:, None]
            left[:, :, at + 1 : end] -= error[:, :, None] * factor[:, at, at + 1 : end][:, None, :]
            errors[:, :, at - start] = error
        left[:, :, end:] -= errors @ factor[:, start:end, end:]
    back = numpy.argsort(order, axis=1)
    return numpy.take_along_axis(codes, back[:, None, :], axis=2)


def _factor(hessian: Array, order: Array, damping: float) -> Array:
    """Give the upper Cholesky factor of the inverse Hessian in `order`; a dead input counts as one."""
    damped = hessian.astype(numpy.float64)
    diagonal = numpy.einsum("gkk->gk", damped)
    mean = numpy.maximum(diagonal.mean(axis=1, keepdims=True), 1e-12)
    diagonal += numpy.where(diagonal > 0, damping * mean, mean)
    damped = numpy.take_along_axis(damped, order[:, :, None], axis=1)
    damped = numpy.take_along_axis(damped, order[:, None, :], axis=2)
    lower = numpy.linalg.cholesky(numpy.linalg.inv(damped))
    return numpy.swapaxes(lower, 1, 2)
