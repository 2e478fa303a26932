"""Assigns options: a Lagrangian bound, a narrow search for a good answer, then one that proves it best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from deploykit.core.bounds import SolveBound
from deploykit.solve.assign.problem import AssignProblem
from deploykit.solve.assign.search import Search
from deploykit.solve.assign.solution import Assignment
from deploykit.solve.assign.table import Ints, Table, best_multipliers, build_table, choices_of

METHOD = "Lagrangian bound, then states by dominance"

UNBOUNDED = int(np.iinfo(np.int64).max)

NARROW = 64
"""How many states the first search keeps."""


def assign(problem: AssignProblem, *, width: int = 10_000) -> Assignment:
    """Give the cheapest assignment within the limits, with the bound on any.

    Exact unless more than `width` states stay open after an item; the bound then says how far off it can be.
    Work is counted in states, never in seconds: the same problem gives the same answer.
    """
    if not problem.items:
        fits = all(limit.most >= 0 for limit in problem.limits)
        return Assignment((), SolveBound("optimal" if fits else "infeasible", 0, 0, METHOD))
    table = build_table(problem)
    if table is None:
        return Assignment((), SolveBound("infeasible", 0, 0, METHOD))
    multipliers, floor, met = best_multipliers(table)
    known = _cheapest(table, met)
    steps = 0
    for room in dict.fromkeys((min(NARROW, width), width)):
        # only what costs a unit less is of interest
        ceiling = UNBOUNDED if known is None else table.scale * (_cost(table, known) - 1)
        if floor > ceiling:
            break
        search = Search(table, multipliers, ceiling, room)
        states = search.run()
        steps += search.steps
        known = search.rows(int(states.at[0])) if len(states.at) else known
        reached = UNBOUNDED if known is None else table.scale * _cost(table, known)
        floor = max(floor, reached if search.lowest is None else min(search.lowest, reached))
        if search.lowest is None:
            break
    return _answer(table, known, floor, steps)


def _answer(table: Table, known: Ints | None, floor: int, steps: int) -> Assignment:
    if known is None:
        return Assignment(
            (), SolveBound("infeasible" if floor == UNBOUNDED else "unknown", 0, 0, METHOD, steps)
        )
    cost = _cost(table, known)
    lower = min(-(-floor // table.scale), cost)
    status: Literal["optimal", "feasible"] = "optimal" if lower == cost else "feasible"
    return Assignment(choices_of(table, known), SolveBound(status, cost, lower, METHOD, steps))


def _cheapest(table: Table, met: Iterable[Ints]) -> Ints | None:
    """Give the cheapest of the relaxed answers that keep the limits."""
    feasible = [rows for rows in met if (table.usage[rows].sum(axis=0) <= table.limits).all()]
    return min(feasible, key=lambda rows: _cost(table, rows), default=None)


def _cost(table: Table, rows: Ints) -> int:
    return int(table.cost[rows].sum())
