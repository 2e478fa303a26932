"""How far two tensors are apart: sums over chunks, totals in float64, then one function a measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy

from deploykit.align.element_types import Array

CHUNK = 1 << 13
"""Elements that are summed at once: few enough for the nearest caches, and for BLAS to stay in one thread."""

ROWS = 8
"""Rows of CHUNK elements that the quick way takes in one call of numpy."""

SMALLEST_SQUARES = 1e-25
"""A float32 sum of squares below this may have lost parts to underflow."""


@dataclass(frozen=True)
class Sums:
    """What the measures are computed from, over the places where both sides are finite.

    a = reference, b = other, d = b - a. `d_ab` is the sum of d * (a + b), which is |b|^2 - |a|^2 without the
    cancellation. `max_abs_index` is a flat index; -1 where nothing was compared. `nonfinite` counts the
    places that are NaN or infinite on either side, `nonfinite_same` those of them that are infinite alike;
    the first is at `nonfinite_index`. `same_bits` is False where values differ in any way (-0 is not 0).
    """

    count: int = 0
    aa: float = 0.0
    bb: float = 0.0
    dd: float = 0.0
    d_ab: float = 0.0
    abs_d: float = 0.0
    max_abs: float = 0.0
    max_abs_index: int = -1
    nonfinite: int = 0
    nonfinite_same: int = 0
    nonfinite_index: int = -1
    nan_a: int = 0
    nan_b: int = 0
    inf_a: int = 0
    inf_b: int = 0
    same_bits: bool = True

    def plus(self, later: Sums, offset: int) -> Sums:
        """Add the sums of what follows; `offset` is the flat index at which that begins."""
        ahead = later.max_abs > self.max_abs or self.max_abs_index < 0 <= later.max_abs_index
        first = later.nonfinite_index + offset if later.nonfinite_index >= 0 else -1
        return Sums(
            self.count + later.count,
            self.aa + later.aa,
            self.bb + later.bb,
            self.dd + later.dd,
            self.d_ab + later.d_ab,
            self.abs_d + later.abs_d,
            later.max_abs if ahead else self.max_abs,
            later.max_abs_index + offset if ahead else self.max_abs_index,
            self.nonfinite + later.nonfinite,
            self.nonfinite_same + later.nonfinite_same,
            self.nonfinite_index if self.nonfinite_index >= 0 else first,
            self.nan_a + later.nan_a,
            self.nan_b + later.nan_b,
            self.inf_a + later.inf_a,
            self.inf_b + later.inf_b,
            self.same_bits and later.same_bits,
        )


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


def needs_exact(sums: Sums) -> bool:
    """Say whether the difference is nearly all gain: 1 - cosine is then what little is left of it, and
    float32 chunks are too coarse."""
    size = math.sqrt(sums.aa) + math.sqrt(sums.bb)
    return size > 0 and sums.dd > 0 and 1 - (sums.d_ab / size) ** 2 / sums.dd < 0.01


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
    """Running totals of float32 chunks; buffers are used again, so that they stay in the caches."""

    def __init__(self) -> None:
        self.work = numpy.empty((ROWS, CHUNK), numpy.float32), numpy.empty((ROWS, CHUNK), numpy.float32)
        self.ones = numpy.ones((1, CHUNK), numpy.float32)
        self.count = 0
        self.aa = self.bb = self.dd = self.da = self.abs_d = 0.0
        self.peak, self.peak_index = 0.0, -1
        self.same_bits = True

    def add(self, a: Array, b: Array, start: int) -> bool:
        """Add rows; False (and nothing added) where NaN, infinity, overflow or underflow get in the way."""
        d, distance = self.work if a.shape == self.work[0].shape else self._part(a)
        numpy.subtract(b, a, out=d)
        aa, dd, da = _dots(a, a), _dots(d, d), _dots(d, a)
        bb = aa + 2 * da + dd
        if bb < 0.1 * (aa + dd):  # cancelled: one more pass
            bb = _dots(b, b)
        if not math.isfinite(aa + bb + dd):
            return False
        numpy.abs(d, out=distance)
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

    def _part(self, a: Array) -> tuple[Array, Array]:
        """Give as much of the buffers as a smaller matrix needs."""
        d, distance = (buffer.reshape(-1)[: a.size].reshape(a.shape) for buffer in self.work)
        return d, distance

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


def cosine_distance(sums: Sums) -> float:
    """1 - cosine, to full precision also where it is tiny.

    |d|^2 = (|a| - |b|)^2 + 2 |a| |b| (1 - cosine), and |b| - |a| = d_ab / (|a| + |b|). Undefined (NaN)
    where one side is all zero and the other is not; two zero tensors are the same.
    """
    a, b = math.sqrt(sums.aa), math.sqrt(sums.bb)
    if a == 0.0 and b == 0.0:
        return 0.0
    if a == 0.0 or b == 0.0:
        return math.nan
    stretch = sums.d_ab / (a + b)
    return max(0.0, (sums.dd - stretch * stretch) / (2 * a * b))


def cosine(sums: Sums) -> float:
    """Cosine of the angle between the two tensors, in [-1, 1]."""
    return 1.0 - cosine_distance(sums)


def relative_l2(sums: Sums) -> float:
    """|b - a| / |a|; infinite where only the reference is all zero."""
    if sums.dd == 0.0:
        return 0.0
    return math.sqrt(sums.dd / sums.aa) if sums.aa else math.inf


def sqnr_db(sums: Sums) -> float:
    """Signal to quantization noise: 20 log10(|a| / |b - a|), infinite where equal."""
    if sums.dd == 0.0:
        return math.inf
    return 10 * math.log10(sums.aa / sums.dd) if sums.aa else -math.inf


def max_abs(sums: Sums) -> float:
    """The largest |b - a|."""
    return sums.max_abs


def mean_abs(sums: Sums) -> float:
    """The mean |b - a|."""
    return sums.abs_d / sums.count if sums.count else math.nan


def nonfinite(sums: Sums) -> float:
    """How many places are NaN or infinite on either side, other than infinite alike."""
    return float(sums.nonfinite - sums.nonfinite_same)


def bit_exact(sums: Sums) -> float:
    """1 where every bit is the same, else 0."""
    return float(sums.same_bits)


METRICS: dict[str, Callable[[Sums], float]] = {
    "bit_exact": bit_exact,
    "cosine": cosine,
    "cosine_distance": cosine_distance,
    "max_abs": max_abs,
    "mean_abs": mean_abs,
    "nonfinite": nonfinite,
    "relative_l2": relative_l2,
    "sqnr_db": sqnr_db,
}
"""Every measure of a pair of tensors. A new one is a function of `Sums` and a line here."""
