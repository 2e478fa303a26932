"""Packs rectangles: greedy rules first, then a search where they leave a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from deploykit.core.bounds import SolveBound
from deploykit.solve.memory.greedy import greedy_portfolio
from deploykit.solve.memory.problem import PackingProblem, lower_bound, peak
from deploykit.solve.memory.search import MOST, fit
from deploykit.solve.memory.solution import Packing

CHEAP_COUNT = 400
"""Up to this many rectangles a node of the search costs about 0.2 ms without the compiled core; its tables
grow with the square."""

DIVES = 2
"""However dear a node is, there are enough for so many dives to a first packing."""

ATTEMPTS = 8
"""Into how many attempts at a capacity the search's nodes are divided."""

FINEST = 200
"""Capacities are halved down to this part of the bound."""


def pack(problem: PackingProblem, *, node_limit: int = 8000, capacity: int | None = None) -> Packing:
    """Give offsets of a low peak, with the bound on any packing; with a capacity, of a peak that fits it.

    The same problem and limit give the same offsets: work is counted in nodes, never in seconds. Parts that
    share no time with each other are packed each on its own, with `node_limit` nodes each (fewer where a node
    is dear).

    The status is `optimal` where the peak is the bound, else `feasible`. With a capacity the work stops at
    the first peak that fits; `infeasible` says that no packing fits, `unknown` that none was found: the
    offsets are then the best that were met.
    """
    if not problem.rectangles:
        return Packing((), SolveBound("optimal", 0, 0, "nothing to pack"))
    parts = time_parts(problem)
    enough = max(lower_bound(problem), capacity or 0)  # a part below this height doesn't decide
    packings = [_pack_part(_only(problem, part), node_limit, enough, capacity) for part in parts]
    offsets = [0] * len(problem.rectangles)
    for part, packing in zip(parts, packings, strict=True):
        for index, offset in zip(part, packing.offsets, strict=True):
            offsets[index] = offset
    height = max(packing.bound.objective for packing in packings)
    floor = max(packing.bound.lower_bound for packing in packings)
    decisive = max(packings, key=lambda packing: packing.bound.objective)
    steps = sum(packing.bound.steps for packing in packings)
    return Packing(
        tuple(offsets),
        SolveBound(status_of(height, floor, capacity), height, floor, decisive.bound.method, steps),
    )


def status_of(
    height: int, floor: int, capacity: int | None
) -> Literal["optimal", "feasible", "infeasible", "unknown"]:
    """Say what a peak and a bound mean, where a capacity was asked for and where none was."""
    if capacity is not None and height > capacity:
        return "infeasible" if floor > capacity else "unknown"
    return "optimal" if height == floor else "feasible"


def time_parts(problem: PackingProblem) -> list[list[int]]:
    """Split the rectangles (by index) at the times over which none lives."""
    parts: list[list[int]] = []
    reached = 0
    by_start = sorted(range(len(problem.rectangles)), key=lambda index: problem.rectangles[index].first)
    for index in by_start:
        item = problem.rectangles[index]
        if not parts or item.first >= reached:
            parts.append([])
        parts[-1].append(index)
        reached = max(reached, item.end)
    return parts


def _only(problem: PackingProblem, part: Sequence[int]) -> PackingProblem:
    return PackingProblem(tuple(problem.rectangles[index] for index in part), problem.alignment)


def _pack_part(problem: PackingProblem, node_limit: int, enough: int, capacity: int | None) -> Packing:
    """Pack by greedy rules, then by searches where the peak is above `enough`."""
    count = len(problem.rectangles)
    floor = lower_bound(problem)
    offsets, method = greedy_portfolio(problem, max(floor, enough))
    found = _Found(offsets, method, peak(problem, offsets), floor)
    dear = max(node_limit * CHEAP_COUNT**2 // count**2, DIVES * count)
    limit = min(node_limit, dear) if count <= MOST else 0
    if capacity is None:
        found = _lower(problem, found, limit, enough)
    elif found.height > capacity >= floor and limit:
        found = _try(problem, found, capacity, limit)
    status = status_of(found.height, found.floor, capacity)
    return Packing(found.offsets, SolveBound(status, found.height, found.floor, found.method, found.spent))


@dataclass(frozen=True)
class _Found:
    """The best packing so far, what is known of the bound, and the nodes spent."""

    offsets: tuple[int, ...]
    method: str
    height: int
    floor: int
    spent: int = 0


def _try(problem: PackingProblem, found: _Found, capacity: int, node_limit: int) -> _Found:
    """Search at a capacity: a better packing, or a higher bound where there is proved to be none."""
    outcome = fit(problem, capacity, node_limit=node_limit)
    spent = found.spent + max(outcome.nodes, 1)
    if outcome.status == "found":
        height = peak(problem, outcome.offsets)
        return _Found(outcome.offsets, "search from the bottom up", height, found.floor, spent)
    if outcome.status == "none":
        unit = problem.unit
        return replace(found, floor=max(found.floor, capacity // unit * unit + unit), spent=spent)
    return replace(found, spent=spent)


def _lower(problem: PackingProblem, found: _Found, node_limit: int, enough: int) -> _Found:
    """Halve the gap to the bound by searches at a capacity.

    The first search is at the bound itself, and so is the last, with all nodes that are left. A capacity at
    which a search gives up is left alone.
    """
    unit = problem.unit
    share = max(node_limit // ATTEMPTS, min(node_limit, len(problem.rectangles) * 5 // 4))
    tried, capacity = found.floor - unit, found.floor
    while found.height > max(found.floor, enough) and found.spent < node_limit:
        before = found
        found = _try(problem, found, capacity, min(share, node_limit - found.spent))
        if found.height == before.height:
            tried = max(tried, capacity)
        capacity = (tried + found.height) // (2 * unit) * unit
        if found.height - tried <= max(unit, found.floor // FINEST):
            capacity, share = found.floor, node_limit  # little is left between: all the rest on the bound
    return found
