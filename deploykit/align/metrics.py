"""How far two tensors are apart: one function a measure, of sums over both tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


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


def needs_exact(sums: Sums) -> bool:
    """Say whether the difference is nearly all gain: 1 - cosine is then what little is left of it, and
    float32 chunks are too coarse."""
    size = math.sqrt(sums.aa) + math.sqrt(sums.bb)
    return size > 0 and sums.dd > 0 and 1 - (sums.d_ab / size) ** 2 / sums.dd < 0.01


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
