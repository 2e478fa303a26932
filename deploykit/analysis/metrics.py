"""How far two tensors are apart: sums in float64 over chunks, then one function a measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

CHUNK = 1 << 13
"""Elements a chunk: few enough for the nearest caches, and for BLAS to stay in one thread."""


@dataclass(frozen=True)
class Sums:
    """What the measures are computed from, over the places where both sides are finite.

    a = reference, b = other, d = b - a. `d_ab` is the sum of d * (a + b), which is |b|^2 - |a|^2 without the
    cancellation. `max_abs_index` is a flat index; -1 where nothing was compared.
    """

    count: int = 0
    aa: float = 0.0
    bb: float = 0.0
    ab: float = 0.0
    dd: float = 0.0
    d_ab: float = 0.0
    abs_d: float = 0.0
    max_abs: float = 0.0
    max_abs_index: int = -1
    nonfinite: int = 0

    def plus(self, later: Sums, offset: int) -> Sums:
        """Add the sums of what follows; `offset` is the flat index at which that begins."""
        ahead = later.max_abs > self.max_abs or self.max_abs_index < 0 <= later.max_abs_index
        return Sums(
            self.count + later.count,
            self.aa + later.aa,
            self.bb + later.bb,
            self.ab + later.ab,
            self.dd + later.dd,
            self.d_ab + later.d_ab,
            self.abs_d + later.abs_d,
            later.max_abs if ahead else self.max_abs,
            later.max_abs_index + offset if ahead else self.max_abs_index,
            self.nonfinite + later.nonfinite,
        )


def difference_sums(reference: Array, other: Array) -> Sums:
    """Sum up two arrays of one shape, chunk by chunk (memory-mapped ones stay on disk). Types may differ."""
    if reference.shape != other.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {other.shape}")
    a, b = reference.reshape(-1), other.reshape(-1)
    total = Sums()
    for start in range(0, a.size, CHUNK):
        stop = start + CHUNK
        chunk = _chunk_sums(a[start:stop].astype(numpy.float64), b[start:stop].astype(numpy.float64))
        total = total.plus(chunk, start)
    return total


def _chunk_sums(a: Array, b: Array) -> Sums:
    with numpy.errstate(invalid="ignore"):  # inf - inf; such places are taken out below
        d = b - a
    finite = numpy.isfinite(d)
    nonfinite = int(d.size - numpy.count_nonzero(finite))
    if nonfinite:
        a, b, d = numpy.where(finite, a, 0.0), numpy.where(finite, b, 0.0), numpy.where(finite, d, 0.0)
    distance = numpy.abs(d)
    index = int(distance.argmax())
    return Sums(
        count=d.size - nonfinite,
        aa=float(a @ a),
        bb=float(b @ b),
        ab=float(a @ b),
        dd=float(d @ d),
        d_ab=float(d @ (a + b)),
        abs_d=float(distance.sum()),
        max_abs=float(distance[index]),
        max_abs_index=index if nonfinite < d.size else -1,
        nonfinite=nonfinite,
    )


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


METRICS: dict[str, Callable[[Sums], float]] = {
    "cosine": cosine,
    "cosine_distance": cosine_distance,
    "max_abs": max_abs,
    "mean_abs": mean_abs,
    "relative_l2": relative_l2,
    "sqnr_db": sqnr_db,
}
"""Every measure of a pair of tensors. A new one is a function of `Sums` and a line here."""
