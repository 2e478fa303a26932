"""Places rectangles one by one in a simple order, each in a gap that is free all its life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from deploykit.solve.memory.compiled import Ints, call, core, ints
from deploykit.solve.memory.problem import PackingProblem, peak

Fit: TypeAlias = Literal["first", "best"]
Rule: TypeAlias = Callable[[int, int, int], tuple[int, ...]]
BLOCK = 64
"""Rectangles a block in the search for neighbours."""

RULES: dict[str, Rule] = {
    "size": lambda size, first, end: (-size, first - end, first),
    "area": lambda size, first, end: (-size * (end - first), -size, first),
    "duration": lambda size, first, end: (first - end, -size, first),
    "start": lambda size, first, end: (first, -size, -end),
}
"""What comes first, by (size, first, end): the largest, the largest area, the longest alive, the earliest."""


def greedy_portfolio(problem: PackingProblem, bound: int) -> tuple[tuple[int, ...], str]:
    """Try every rule with first and best fit, and give the offsets of the lowest peak with their method's
    name.

    Stops at a peak of at most `bound`: nothing lower is wanted.
    """
    found: list[tuple[int, tuple[int, ...], str]] = []
    for name, rule in RULES.items():
        order = _order(problem, rule)
        for fit in ("first", "best"):
            offsets = place_in_order(problem, order, fit=fit)
            found.append((peak(problem, offsets), offsets, f"greedy by {name}, {fit} fit"))
            if found[-1][0] <= bound:
                return found[-1][1:]
    return min(found, key=lambda item: item[0])[1:]


def place_in_order(problem: PackingProblem, order: Sequence[int], *, fit: Fit) -> tuple[int, ...]:
    """Place rectangles in this order: in the lowest gap that holds one ("first"), or in the tightest
    ("best").

    The space below the lowest neighbour is a gap like any other; the space above the highest is taken last.
    Neighbours are found by blocks of rectangles that start one after the other, so that the work grows with
    the rectangles that are alive together and not with the square of all.
    """
    if not order:
        return ()
    places = _Places.of(problem)
    at = places.position[list(order)]
    library = core()
    if library is not None:
        found = np.zeros(len(order), dtype=np.int64)
        call(library.place, len(order), places.first, places.end, places.size, at, fit == "best", found)
    else:
        found = _place(places, at, fit)
    return tuple(found[places.position].tolist())


@dataclass(frozen=True)
class _Places:
    """The rectangles by their first time; `position` says where each one of the problem stands."""

    first: Ints
    end: Ints
    size: Ints
    position: Ints

    @classmethod
    def of(cls, problem: PackingProblem) -> _Places:
        first = ints([item.first for item in problem.rectangles])
        end = ints([item.end for item in problem.rectangles])
        by_first = np.argsort(first, kind="stable")
        position = np.empty_like(by_first)
        position[by_first] = np.arange(len(by_first))
        size = ints(problem.sizes)
        return cls(ints(first[by_first]), ints(end[by_first]), ints(size[by_first]), ints(position))


def _place(places: _Places, order: Ints, fit: Fit) -> Ints:
    first, end, size = places.first, places.end, places.size
    blocks = -(-len(first) // BLOCK)
    ends = np.zeros((blocks, BLOCK), dtype=np.int64)  # of what is placed; before every start elsewhere
    ends -= 1 << 62
    offset, flat = np.zeros(blocks * BLOCK, dtype=np.int64), ends.reshape(-1)
    top, block_end = np.zeros_like(offset), ends.max(axis=1)
    reach = np.searchsorted(first, end)  # how many start before this one ends
    within = np.arange(BLOCK)
    for item in order.tolist():
        start = first[item]
        near = np.flatnonzero(block_end[: int(reach[item] - 1) // BLOCK + 1] > start)
        met = (near[:, None] * BLOCK + within)[ends[near] > start]
        met = met[met < reach[item]]
        met = met[np.argsort(offset[met], kind="stable")]
        offset[item] = _gap(offset[met], top[met], int(size[item]), fit)
        top[item] = offset[item] + size[item]
        flat[item] = end[item]
        block_end[item // BLOCK] = max(block_end[item // BLOCK], end[item])
    return offset[: len(first)]


def _gap(offset: Ints, top: Ints, size: int, fit: Fit) -> int:
    """Find a place among neighbours that are given lowest first."""
    if not len(offset):
        return 0
    below = np.concatenate(([0], np.maximum.accumulate(top)))
    gaps = offset - below[:-1]
    large = np.flatnonzero(gaps >= size)
    if not len(large):
        return int(below[-1])
    return int(below[large[0] if fit == "first" else large[np.argmin(gaps[large])]])


def _order(problem: PackingProblem, rule: Rule) -> list[int]:
    def key(index: int) -> tuple[int, ...]:
        item = problem.rectangles[index]
        return (*rule(problem.sizes[index], item.first, item.end), index)

    return sorted(range(len(problem.rectangles)), key=key)
