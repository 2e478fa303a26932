"""The ways to keep a block on chip for all or parts of its life, and what each saves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from deploykit.solve.banks.problem import Need, Option

FREE_LEGS = 5
"""Blocks of up to this many legs may leave and come back anywhere; longer ones stay for one piece of
their life, or leave once."""


@dataclass(frozen=True)
class Gain:
    """Bytes that nodes (by id) need not move where a block is on chip over the whole of [first, end)."""

    moved: tuple[tuple[str, int], ...]
    first: int
    end: int

    @property
    def saving(self) -> int:
        """All bytes of it."""
        return sum(size for _, size in self.moved)


@dataclass(frozen=True)
class Tiling:
    """`count` tiles along `axis` (0: batch, 2: rows), `halo_rows` of them shared with the next tile;
    `again_bytes` are read again because of it."""

    axis: int
    count: int
    halo_rows: int
    again_bytes: int


@dataclass(frozen=True)
class Way:
    """One way to keep something on chip, and the bytes that each node then doesn't move."""

    option: Option
    moved: tuple[tuple[str, int], ...]
    tiling: Tiling | None = None


def residency(gains: Sequence[Gain], size: int) -> tuple[Way, ...]:
    """Give the stays worth choosing from, the one of the whole life first.

    A gain counts where one stay covers it. Between two stays the block lies off chip, so that its first read
    of a stay comes from there: a refill, paid by the gain of that read.
    """
    legs = sorted({(gain.first, gain.end) for gain in gains if gain.saving > 0})
    ways = []
    for stays in dict.fromkeys(_joined(chosen) for chosen in _choices(legs)):
        moved = tuple(
            part
            for gain in gains
            if any(first <= gain.first and gain.end <= end for first, end in stays)
            for part in gain.moved
        )
        option = Option(sum(size for _, size in moved), tuple(Need(size, first, end) for first, end in stays))
        if option.saving > 0:
            ways.append(Way(option, moved))
    return tuple(
        sorted(ways, key=lambda way: (-way.option.saving, _area(way.option), way.option.needs[0].first))
    )


def _choices(legs: Sequence[tuple[int, int]]) -> Iterable[Sequence[tuple[int, int]]]:
    count = len(legs)
    if count <= FREE_LEGS:
        for many in range(1, count + 1):
            yield from combinations(legs, many)
        return
    for first in range(count):
        for end in range(first + 1, count + 1):
            yield legs[first:end]  # one piece
            if first > 0 and end < count:
                yield (*legs[:first], *legs[end:])  # all but one piece


def _joined(legs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join legs that share a step: the block never leaves between them."""
    stays: list[tuple[int, int]] = []
    for first, end in legs:
        if stays and first < stays[-1][1]:
            stays[-1] = (stays[-1][0], max(stays[-1][1], end))
        else:
            stays.append((first, end))
    return tuple(stays)


def _area(option: Option) -> int:
    return sum(need.size * (need.end - need.first) for need in option.needs)
