"""Looks for a packing that fits a capacity: one order after the other, on budgets that double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.solve.memory.depth_first import DeadStates, depth_first
from deploykit.solve.memory.problem import PackingProblem
from deploykit.solve.memory.sections import ORDERS, Sections, sections_of

MOST = 4000
"""More rectangles alive in one chain than this are left to the rules: a dive alone takes seconds."""


@dataclass(frozen=True)
class Outcome:
    """What a search says: "found" with offsets, "none" if there is no such packing, "limit" if it gave up."""

    status: Literal["found", "none", "limit"]
    offsets: tuple[int, ...]
    nodes: int


def fit(problem: PackingProblem, capacity: int, *, node_limit: int) -> Outcome:
    """Look for a packing of at most `capacity`, with `node_limit` nodes in all.

    No order is the right one: what one of them misses in a million nodes another finds in a thousand. Each
    order keeps its dead states, so that a longer try soon stands where the shorter one stopped.
    """
    tries: dict[str, tuple[Sections, DeadStates]] = {}
    spent = 0
    share = 4 * len(problem.rectangles)  # a dive takes a node a rectangle
    while spent < node_limit:
        for order in ORDERS:
            if order not in tries:
                tries[order] = sections_of(problem, order), DeadStates()
            sections, dead = tries[order]
            limit = min(share, node_limit - spent)
            status, offsets, nodes = depth_first(
                sections, capacity // sections.unit, node_limit=limit, dead=dead
            )
            spent += nodes
            if status != "limit" or spent >= node_limit:
                found = sections.offsets(offsets) if status == "found" else ()
                return Outcome(status, found, spent)
        share *= 2
    return Outcome("limit", (), spent)
