"""Places rectangles one by one in a simple order, each in a gap that is free all its life."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from deploykit.solve.memory.problem import PackingProblem, peak

Fit: TypeAlias = Literal["first", "best"]
Rule: TypeAlias = Callable[[int, int, int], tuple[int, ...]]

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

    Stops at a peak of `bound`, which nothing beats.
    """
    found: list[tuple[int, tuple[int, ...], str]] = []
    for name, rule in RULES.items():
        order = _order(problem, rule)
        for fit in ("first", "best"):
            offsets = place_in_order(problem, order, fit=fit)
            found.append((peak(problem, offsets), offsets, f"greedy by {name}, {fit} fit"))
            if found[-1][0] == bound:
                return found[-1][1:]
    return min(found, key=lambda item: item[0])[1:]


def place_in_order(problem: PackingProblem, order: Sequence[int], *, fit: Fit) -> tuple[int, ...]:
    """Place rectangles in this order: in the lowest gap that holds one ("first"), or in the tightest
    ("best").

    The space below the lowest neighbour is a gap like any other; the space above the highest is taken last.
    """
    offsets = [0] * len(problem.rectangles)
    placed: list[tuple[int, int, int, int]] = []  # (offset, top, first, end), lowest first
    for index in order:
        item, size = problem.rectangles[index], problem.sizes[index]
        offset = _gap(placed, size, item.first, item.end, fit)
        offsets[index] = offset
        insort(placed, (offset, offset + size, item.first, item.end))
    return tuple(offsets)


def _gap(placed: Sequence[tuple[int, int, int, int]], size: int, first: int, end: int, fit: Fit) -> int:
    floor = 0
    best: tuple[int, int] | None = None  # (gap's size, offset)
    for offset, top, other_first, other_end in placed:
        if other_first >= end or first >= other_end:
            continue
        gap = offset - floor
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, floor)
            if fit == "first":
                break
        floor = max(floor, top)
    return floor if best is None else best[1]


def _order(problem: PackingProblem, rule: Rule) -> list[int]:
    def key(index: int) -> tuple[int, ...]:
        item = problem.rectangles[index]
        return (*rule(problem.sizes[index], item.first, item.end), index)

    return sorted(range(len(problem.rectangles)), key=key)
