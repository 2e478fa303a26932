"""A packing problem as the search sees it: items by rank, sections of time, sizes in their common unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from deploykit.solve.memory.compiled import Ints, ints
from deploykit.solve.memory.problem import PackingProblem

ORDERS = tuple(letters + width for width in "st" for letters in ("WAT", "AWT", "TWA", "TAW"))
"""Whom to try first among equals: by width, area and total (the bytes alive at the item's fullest time). The
last letter says how width is counted: in sections or in time. What is hopeless by one is quick by another."""


@dataclass(frozen=True)
class Sections:
    """Items numbered by rank; each spans the sections `first` to `last`, both included.

    A section is a set of items alive at one time; only those that are no part of another stand here, so that
    two items meet in time just if they share a section. `twin` is the item's next lower rank of the same span
    and size, or -1: twins are placed in this order. `indices` are the items' places in the problem.
    """

    indices: tuple[int, ...]
    unit: int
    count: int
    first: Ints
    last: Ints
    sizes: Ints
    twin: Ints

    @cached_property
    def by_first(self) -> Ints:
        """Items by their first section."""
        return ints(np.argsort(self.first, kind="stable"))

    def offsets(self, of_items: Sequence[int] | Ints) -> tuple[int, ...]:
        """Give offsets in bytes in the problem's order."""
        found = [0] * len(self.indices)
        for rank, index in enumerate(self.indices):
            found[index] = int(of_items[rank]) * self.unit
        return tuple(found)


def sections_of(problem: PackingProblem, order: str) -> Sections:
    """Rank the rectangles by `order`, one of ORDERS; ties in the order in which they are given."""
    sizes = ints(problem.sizes)
    start = ints([item.first for item in problem.rectangles])
    end = ints([item.end for item in problem.rectangles])
    times = _section_times(problem)
    first, last = np.searchsorted(times, start), np.searchsorted(times, end) - 1
    live = np.zeros(len(times) + 1, dtype=np.int64)
    np.add.at(live, first, sizes)
    np.add.at(live, last + 1, -sizes)
    live = np.cumsum(live)
    total = ints([live[a : b + 1].max() for a, b in zip(first, last, strict=True)])
    width = last - first + 1 if order[-1] == "s" else end - start
    keys = {"W": width, "A": width * sizes, "T": total}
    ranks = np.lexsort((np.arange(len(sizes)), *(-keys[letter] for letter in reversed(order[:-1]))))
    unit = problem.unit
    first, last, sizes = first[ranks], last[ranks], sizes[ranks] // unit
    return Sections(
        tuple(map(int, ranks)), unit, len(times), ints(first), ints(last), sizes, _twins(first, last, sizes)
    )


def _section_times(problem: PackingProblem) -> Ints:
    """Give a time in each section that is no part of another: a start is before it, an end comes next."""
    events = sorted(
        {(item.first, 1) for item in problem.rectangles} | {(item.end, 0) for item in problem.rectangles}
    )
    return ints([time for (time, starts), (_, next_starts) in pairwise(events) if starts > next_starts])


def _twins(first: Ints, last: Ints, sizes: Ints) -> Ints:
    seen: dict[tuple[int, int, int], int] = {}
    twins: list[int] = []
    for item, key in enumerate(zip(first.tolist(), last.tolist(), sizes.tolist(), strict=True)):
        twins.append(seen.get(key, -1))
        seen[key] = item
    return ints(twins)
