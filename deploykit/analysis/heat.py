"""Small pictures of where two tensors differ."""

from __future__ import annotations

import numpy

from deploykit.align.element_types import Array


def heat_map(reference: Array, other: Array, rows: int, columns: int) -> Array:
    """Give the mean |difference| of tensors [frames, N, C, H, W] over frames, N and C, as `rows` x `columns`.

    Reads one frame at a time. Larger maps are averaged over cells: those that H and W split into as evenly
    as they can. Places that are NaN or infinite on either side count as no difference.
    """
    total = numpy.zeros(reference.shape[3:], numpy.float64)
    for a, b in zip(reference, other, strict=True):
        with numpy.errstate(invalid="ignore"):
            distance = numpy.abs(b.astype(numpy.float64) - a)
        total += numpy.nan_to_num(distance, posinf=0.0).mean(axis=(0, 1))
    total /= max(len(reference), 1)
    return _cells(_cells(total, rows).T, columns).T


def _cells(values: Array, count: int) -> Array:
    """Average the rows of a matrix over `count` groups of neighbours."""
    borders = numpy.linspace(0, len(values), count + 1).round().astype(int)
    sums = numpy.add.reduceat(values, borders[:-1], axis=0)
    return numpy.asarray(sums / numpy.diff(borders)[:, None])
