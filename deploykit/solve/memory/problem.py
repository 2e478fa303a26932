"""What is packed: rectangles whose time is fixed and whose offset is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Rectangle:
    """`size` bytes that are needed over the half-open time interval [first, end)."""

    size: int
    first: int
    end: int

    def __post_init__(self) -> None:
        if self.size < 1 or self.first >= self.end:
            raise ValueError(f"a rectangle needs a size and a lifetime: {self}")

    def meets(self, other: Rectangle) -> bool:
        """Say whether both are alive at some time."""
        return self.first < other.end and other.first < self.end


@dataclass(frozen=True)
class PackingProblem:
    """Find offsets, multiples of `alignment`, so that no two rectangles that meet in time share a byte.

    The objective is the peak: the largest offset + rounded size.
    """

    rectangles: tuple[Rectangle, ...]
    alignment: int = 1

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Sizes rounded up to the alignment."""
        return tuple(-(-item.size // self.alignment) * self.alignment for item in self.rectangles)

    @property
    def unit(self) -> int:
        """The sizes' greatest common divisor: every peak of a packing that is pushed down is a multiple."""
        return math.gcd(*self.sizes)


def peak(problem: PackingProblem, offsets: Sequence[int]) -> int:
    """Give the memory that a packing takes."""
    return max((offset + size for offset, size in zip(offsets, problem.sizes, strict=True)), default=0)


def lower_bound(problem: PackingProblem) -> int:
    """Give the most bytes that are alive at one time: no packing takes less."""
    events = [(item.first, size) for item, size in zip(problem.rectangles, problem.sizes, strict=True)]
    events += [(item.end, -size) for item, size in zip(problem.rectangles, problem.sizes, strict=True)]
    live = most = 0
    for _, change in sorted(events):  # at equal times the frees come first: intervals are half-open
        live += change
        most = max(most, live)
    return most
