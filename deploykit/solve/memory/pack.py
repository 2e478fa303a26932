"""Packs rectangles: greedy rules first, then a search where they leave a gap."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.core.bounds import SolveBound
from deploykit.solve.memory.greedy import greedy_portfolio
from deploykit.solve.memory.problem import PackingProblem, lower_bound, peak
from deploykit.solve.memory.search import fit
from deploykit.solve.memory.solution import Packing

CHEAP_COUNT = 400
"""Up to this many rectangles a node of the search costs about 0.2 ms; its tables grow with the square."""

ATTEMPTS = 8
"""Into how many attempts at a capacity the search's nodes are divided."""

FINEST = 200
"""Capacities are halved down to this part of the bound."""


def pack(problem: PackingProblem, *, node_limit: int = 8000) -> Packing:
    """Give offsets of a low peak, with the bound on any packing.

    The same problem and limit give the same offsets: work is counted in nodes, never in seconds. Parts that
    share no time with each other are packed each on its own, with `node_limit` nodes each (fewer where a node
    is dear).
    """
    if not problem.rectangles:
        return Packing((), SolveBound("optimal", 0, 0, "nothing to pack"))
    parts = time_parts(problem)
    enough = lower_bound(problem)  # a part below this height doesn't decide the peak
    packings = [_pack_part(_only(problem, part), node_limit, enough) for part in parts]
    offsets = [0] * len(problem.rectangles)
    for part, packing in zip(parts, packings, strict=True):
        for index, offset in zip(part, packing.offsets, strict=True):
            offsets[index] = offset
    height = max(packing.bound.objective for packing in packings)
    floor = max(packing.bound.lower_bound for packing in packings)
    decisive = max(packings, key=lambda packing: packing.bound.objective)
    steps = sum(packing.bound.steps for packing in packings)
    method = decisive.bound.method
    bound = SolveBound("optimal" if height == floor else "feasible", height, floor, method, steps)
    return Packing(tuple(offsets), bound)


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


def _pack_part(problem: PackingProblem, node_limit: int, enough: int) -> Packing:
    """Pack by greedy rules, then halve the gap to the bound by searches at a capacity, down to `enough`.

    The first search is at the bound itself, and so is the last, with all nodes that are left. A capacity at
    which a search ends without a packing raises the bound; one at which it gives up is left alone.
    """
    unit = problem.alignment
    floor = lower_bound(problem)
    offsets, method = greedy_portfolio(problem, floor)
    height = peak(problem, offsets)
    node_limit = min(node_limit, node_limit * CHEAP_COUNT**2 // len(problem.rectangles) ** 2)
    spent, tried = 0, floor - unit
    capacity, share = floor, node_limit // ATTEMPTS
    while height > max(floor, enough) and spent < node_limit:
        outcome = fit(problem, capacity, node_limit=min(share, node_limit - spent))
        spent += max(outcome.nodes, 1)
        if outcome.status == "found":
            offsets, method = outcome.offsets, "search from the bottom up"
            height = peak(problem, offsets)
        else:
            tried = max(tried, capacity)
        if outcome.status == "none":
            floor = max(floor, capacity + unit)
        capacity = (tried + height) // (2 * unit) * unit
        if height - tried <= max(unit, floor // FINEST):  # little is left between: all the rest on the bound
            capacity, share = floor, node_limit
    return Packing(
        offsets, SolveBound("optimal" if height == floor else "feasible", height, floor, method, spent)
    )
