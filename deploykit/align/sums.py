"""Sum up two tensors chunk by chunk: within a chunk in float64 or float32, the totals in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy

from deploykit.align.element_types import Array
from deploykit.align.metrics import Sums

CHUNK = 1 << 13
"""Elements that are summed at once: few enough for the nearest caches, and for BLAS to stay in one thread."""

ROWS = 8
"""Rows of CHUNK elements that the quick way takes in one call of numpy."""

SMALLEST_SQUARES = 1e-25
"""A float32 sum of squares below this may have lost parts to underflow."""


def difference_sums(reference: Array, other: Array, *, exact: bool = True) -> Sums:
    """Sum up two arrays of one shape, chunk by chunk (memory-mapped ones stay on disk). Types may differ.

    `exact` computes in float64. Otherwise two float32 arrays are summed in float32 within a chunk, and chunks
    in float64: about ten times as fast, 1 - cosine and SQNR keep three digits (see `needs_exact`).
    """
    if reference.shape != other.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {other.shape}")
    a, b = reference.reshape(-1), other.reshape(-1)
    quick = not exact and a.dtype == b.dtype == numpy.float32
    pieces = _quick_sums(a, b) if quick else _exact_sums(a, b)
    total = Sums()
    for start, sums in pieces:
        total = total.plus(sums, start)
    return total


def _exact_sums(a: Array, b: Array) -> Iterator[tuple[int, Sums]]:
    for start in range(0, a.size, CHUNK):
        yield start, _chunk_sums(a[start : start + CHUNK], b[start : start + CHUNK])


def _quick_sums(a: Array, b: Array) -> Iterator[tuple[int, Sums]]:
    """Sum chunks in float32; those that float32 cannot hold in float64."""
    quick = _QuickSums()
    whole = a.size - a.size % CHUNK
    bounds = [*range(0, whole, ROWS * CHUNK), whole, a.size]
    with numpy.errstate(all="ignore"):  # what overflows here is done again in float64
        for start, stop in pairwise(bounds):
            x, y = a[start:stop], b[start:stop]
            columns = CHUNK if stop <= whole else stop - start
            if not x.size or quick.add(x.reshape(-1, columns), y.reshape(-1, columns), start):
                continue
            for at, slow in _exact_sums(x, y):
                yield start + at, slow
    yield 0, quick.sums()


class _QuickSums:
    """Running totals of float32 chunks; the buffer is used again, so that it stays in the caches."""

    def __init__(self) -> None:
        self.work = numpy.empty((ROWS, CHUNK), numpy.float32)
        self.ones = numpy.ones((1, CHUNK), numpy.float32)
        self.count = 0
        self.aa = self.bb = self.dd = self.da = self.abs_d = 0.0
        self.peak, self.peak_index = 0.0, -1
        self.same_bits = True

    def add(self, a: Array, b: Array, start: int) -> bool:
        """Add rows; False (and nothing added) where NaN, infinity, overflow or underflow get in the way."""
        d = self.work if a.shape == self.work.shape else self._part(a)
        numpy.subtract(b, a, out=d)
        aa, dd, da = _dots(a, a), _dots(d, d), _dots(d, a)
        bb = aa + 2 * da + dd
        if bb < 0.1 * (aa + dd):  # cancelled: one more pass
            bb = _dots(b, b)
        if not math.isfinite(aa + bb + dd):
            return False
        distance = numpy.abs(d, out=d)  # in place: what fits the nearer cache is read twice as fast
        peak = float(distance.max())
        if dd < SMALLEST_SQUARES and peak > 0.0:
            return False
        if (aa < SMALLEST_SQUARES and a.any()) or (bb < SMALLEST_SQUARES and b.any()):
            return False
        if peak > self.peak or self.peak_index < 0:
            self.peak, self.peak_index = peak, start + int(distance.argmax())
        if self.same_bits:
            self.same_bits = peak == 0.0 and bool((a.view(numpy.int32) == b.view(numpy.int32)).all())
        self.count += a.size
        self.aa, self.bb, self.dd, self.da = self.aa + aa, self.bb + bb, self.dd + dd, self.da + da
        self.abs_d += _dots(distance, self.ones[:, : a.shape[1]])
        return True

    def _part(self, a: Array) -> Array:
        """Give as much of the buffer as a smaller matrix needs."""
        return self.work.reshape(-1)[: a.size].reshape(a.shape)

    def sums(self) -> Sums:
        """Give the totals."""
        return Sums(
            count=self.count,
            aa=self.aa,
            bb=self.bb,
            dd=self.dd,
            d_ab=2 * self.da + self.dd,
            abs_d=self.abs_d,
            max_abs=self.peak,
            max_abs_index=self.peak_index,
            same_bits=self.same_bits,
        )


def _dots(a: Array, b: Array) -> float:
    """Give the sum of the dot products of rows: a row in its own type, the sum in float64."""
    if hasattr(numpy, "vecdot"):
        return float(sum(numpy.vecdot(a, b).tolist()))
    return float(sum(numpy.matmul(a[:, None, :], b[:, :, None]).reshape(-1).tolist()))  # numpy before 2.0


def _chunk_sums(reference: Array, other: Array) -> Sums:
    with numpy.errstate(invalid="ignore", over="ignore"):  # NaN, inf - inf: such places are taken out below
        a, b = reference.astype(numpy.float64), other.astype(numpy.float64)
        d = b - a
    lost = Sums()
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    if not finite.all():
        lost = _lost(a, b, finite)
        a, b, d = numpy.where(finite, a, 0.0), numpy.where(finite, b, 0.0), numpy.where(finite, d, 0.0)
    if (
        reference.dtype.kind in "iu"
        and other.dtype.kind in "iu"
        and max(_width(reference), _width(other)) > 4
    ):
        d[(d == 0) & (reference != other)] = 1.0  # whole numbers that float64 cannot tell apart
    distance = numpy.abs(d)
    index = int(distance.argmax())
    return replace(
        lost,
        count=d.size - lost.nonfinite,
        aa=float(a @ a),
        bb=float(b @ b),
        dd=float(d @ d),
        d_ab=float(d @ (a + b)),
        abs_d=float(distance.sum()),
        max_abs=float(distance[index]),
        max_abs_index=index if lost.nonfinite < d.size else -1,
        same_bits=not distance[index] and _same_bits(reference, other),
    )


def _lost(a: Array, b: Array, finite: Array) -> Sums:
    """Count the places that are left out."""
    same = numpy.isinf(a) & (a == b)
    return Sums(
        nonfinite=int(finite.size - numpy.count_nonzero(finite)),
        nonfinite_same=int(numpy.count_nonzero(same)),
        nonfinite_index=int(numpy.argmin(finite)),
        nan_a=int(numpy.count_nonzero(numpy.isnan(a))),
        nan_b=int(numpy.count_nonzero(numpy.isnan(b))),
        inf_a=int(numpy.count_nonzero(numpy.isinf(a))),
        inf_b=int(numpy.count_nonzero(numpy.isinf(b))),
    )


def _same_bits(a: Array, b: Array) -> bool:
    """Compare the bytes where both have one type, else the values."""
    if a.dtype == b.dtype:
        return a.tobytes() == b.tobytes()
    return bool((a == b).all())


def _width(array: Array) -> int:
    return int(array.dtype.itemsize)
