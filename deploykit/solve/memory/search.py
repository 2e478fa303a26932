"""Looks for a packing that fits a capacity: depth first, from the bottom up, each packing in one order only.

A packing can be pushed down until every rectangle stands on the ground or on another, and then built by
rising offset. So a node places one more rectangle at the lowest offset that is left to it, never below the
last one. A branch is cut where a rectangle would start above a place in which another fits whole (that
packing is found elsewhere), and where some time slice cannot hold what is still to come. After Moffitt,
"MiniMalloc" (ASPLOS 2023); the bound of a slice is that of one machine with release times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deploykit.solve.memory.problem import PackingProblem

Ints: TypeAlias = NDArray[Any]

ORDERS = ("TAW", "TWA", "WAT", "ATW", "AWT", "WTA")
"""Whom to try first among equals: by width (time slices), area, and total (its fullest slice)."""


@dataclass(frozen=True)
class Outcome:
    """What a search says: "found" with offsets, "none" if there is no such packing, "limit" if it gave up."""

    status: Literal["found", "none", "limit"]
    offsets: tuple[int, ...]
    nodes: int


def fit(problem: PackingProblem, capacity: int, *, node_limit: int) -> Outcome:
    """Look for a packing of at most `capacity`, one order after the other on growing shares of the limit."""
    spent = 0
    share = 2 * len(problem.rectangles)  # a dive takes a node a rectangle
    while spent < node_limit:
        for order in ORDERS:
            outcome = _search(problem, capacity, order, min(share, node_limit - spent))
            spent += outcome.nodes
            if outcome.status != "limit" or spent >= node_limit:
                return Outcome(outcome.status, outcome.offsets, spent)
        share *= 2
    return Outcome("limit", (), spent)


@dataclass(frozen=True)
class _Slices:
    """Rectangles in order of preference, in units of their sizes' common divisor, over the slices of time.

    `member[s, i]` says that slice s holds rectangle i; only slices that aren't part of another stand here.
    """

    ranks: tuple[int, ...]
    unit: int
    sizes: Ints
    member: Ints
    meets: Ints


def _search(problem: PackingProblem, capacity: int, order: str, node_limit: int) -> Outcome:
    slices = _slices(problem, order)
    count = len(slices.ranks)
    room = capacity // slices.unit
    offsets = np.zeros(count, dtype=np.int64)
    stack = [_Node(np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool), 0, -1)]
    nodes = 0
    while stack:
        node = stack[-1]
        if node.candidates is None:
            if not node.left.any():
                return Outcome("found", _in_given_order(slices, offsets), nodes)
            if nodes >= node_limit:
                return Outcome("limit", (), nodes)
            nodes += 1
            node.candidates = _candidates(slices, node, room)
        if not node.candidates:
            stack.pop()
            continue
        chosen = node.candidates.pop()
        offset = int(node.lowest[chosen])
        offsets[chosen] = offset
        lowest = np.maximum(node.lowest, slices.meets[chosen] * (offset + slices.sizes[chosen]))
        left = node.left.copy()
        left[chosen] = False
        stack.append(_Node(lowest, left, offset, chosen))
    return Outcome("none", (), nodes)


@dataclass
class _Node:
    """Where the search stands: each rectangle's lowest offset, who is unplaced, and who was placed last."""

    lowest: Ints
    left: Ints
    last_offset: int
    last: int
    candidates: list[int] | None = None


def _candidates(slices: _Slices, node: _Node, room: int) -> list[int]:
    """Give whom to place next, the best one last; none where a slice cannot hold what is to come."""
    left = np.flatnonzero(node.left)
    lowest, sizes = node.lowest[left], slices.sizes[left]
    tops = lowest + sizes
    if _overfull(slices, left, np.maximum(lowest, node.last_offset), room):
        return []
    later = (lowest > node.last_offset) | ((lowest == node.last_offset) & (left > node.last))
    usable = later & (lowest < tops.min()) & (tops <= room)
    found = left[usable]
    return [int(found[i]) for i in np.lexsort((-found, -lowest[usable]))]


def _overfull(slices: _Slices, left: Ints, lowest: Ints, room: int) -> bool:
    """Say whether some slice's rectangles, stacked by rising lowest offset, end above the room."""
    by_offset = np.argsort(-lowest, kind="stable")
    member = slices.member[:, left[by_offset]]
    above = np.cumsum(member * slices.sizes[left[by_offset]], axis=1)  # each with all that start no lower
    return bool((member * (above + lowest[by_offset])).max() > room)


def _slices(problem: PackingProblem, order: str) -> _Slices:
    sizes = np.array(problem.sizes, dtype=np.int64)
    first = np.array([item.first for item in problem.rectangles])
    end = np.array([item.end for item in problem.rectangles])
    starts = _slice_starts(problem)
    member = (first[None, :] <= starts[:, None]) & (starts[:, None] < end[None, :])
    unit = math.gcd(*problem.sizes)
    sizes //= unit
    width = member.sum(axis=0)
    total = (member * (member @ sizes)[:, None]).max(axis=0)
    keys = {"W": width, "A": width * sizes, "T": total}
    ranks = np.lexsort((np.arange(len(sizes)), *(-keys[letter] for letter in reversed(order))))
    meets = (member[:, ranks].T.astype(np.int64) @ member[:, ranks].astype(np.int64)) > 0
    return _Slices(tuple(map(int, ranks)), unit, sizes[ranks], member[:, ranks], meets)


def _slice_starts(problem: PackingProblem) -> Ints:
    """Give a time in each slice that is no part of another: one with a start before it and an end after."""
    events = sorted(
        {(item.first, 1) for item in problem.rectangles} | {(item.end, 0) for item in problem.rectangles}
    )
    return np.array([time for (time, starts), (_, next_starts) in pairwise(events) if starts > next_starts])


def _in_given_order(slices: _Slices, offsets: Sequence[int] | Ints) -> tuple[int, ...]:
    found = [0] * len(slices.ranks)
    for rank, index in enumerate(slices.ranks):
        found[index] = int(offsets[rank]) * slices.unit
    return tuple(found)
