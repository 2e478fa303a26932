"""The Pareto front of two measures: whole where it is small, else at bounds spread over it."""

from __future__ import annotations

import dataclasses

import numpy as np

from deploykit.solve.assign.assign import UNBOUNDED, assign
from deploykit.solve.assign.problem import LARGEST_TOTAL, AssignProblem, Limit, Measure, total
from deploykit.solve.assign.search import Search
from deploykit.solve.assign.solution import Front, FrontPoint
from deploykit.solve.assign.table import build_table, choices_of

WHOLE_STATES = 4096
"""Up to this many open states after an item the whole front is built."""


def pareto_front(problem: AssignProblem, against: Measure, *, samples: int = 17) -> Front:
    """Trade `minimise` for `against` within the problem's limits; assignments by rising cost.

    Where the whole front is too long to build, it is met at `samples` bounds on `against`: each point is then
    the cheapest at its bound, and the least of `against` at its cost.
    """
    whole = _whole(problem, against)
    return whole if whole is not None else _sampled(problem, against, samples)


def _whole(problem: AssignProblem, against: Measure) -> Front | None:
    limited = dataclasses.replace(problem, limits=(*problem.limits, Limit(against, LARGEST_TOTAL)))
    table = build_table(limited) if problem.items else None
    if table is None:
        return Front((), whole=True, exact=True)
    search = Search(table, np.zeros(len(table.limits), dtype=np.int64), UNBOUNDED, WHOLE_STATES)
    states = search.run()
    if search.lowest is not None:
        return None
    points: list[FrontPoint] = []
    for index in np.lexsort((states.usage[:, -1], states.cost)):
        # the states are undominated in all limits: that is more of them than in these two measures
        error = int(states.usage[index, -1])
        if not points or error < points[-1].error:
            choices = choices_of(table, search.rows(int(states.at[index])))
            points.append(FrontPoint(int(states.cost[index]), error, choices))
    return Front(tuple(points), whole=True, exact=True)


def _sampled(problem: AssignProblem, against: Measure, samples: int) -> Front:
    cheapest = assign(problem)
    least = assign(dataclasses.replace(problem, minimise=against))
    if not cheapest.choices or not least.choices:
        return Front((), whole=False, exact=False)
    high, low = total(problem, cheapest.choices, against), least.bound.objective
    found = [
        _point(problem, against, low + round((high - low) * _spread(at, samples))) for at in range(samples)
    ]
    points: list[FrontPoint] = []
    for point, _ in sorted(found, key=lambda pair: (pair[0].cost, pair[0].error)):
        if not points or point.error < points[-1].error:
            points.append(point)
    return Front(tuple(points), whole=False, exact=all(exact for _, exact in found))


def _spread(at: int, samples: int) -> float:
    """Give the place of a bound in [0, 1], closer together at small errors, where plans are wanted."""
    return (at / max(samples - 1, 1)) ** 2


def _point(problem: AssignProblem, against: Measure, most: int) -> tuple[FrontPoint, bool]:
    first = assign(dataclasses.replace(problem, limits=(*problem.limits, Limit(against, most))))
    cost = first.bound.objective
    at_cost = (*problem.limits, Limit(problem.minimise, cost))
    second = assign(dataclasses.replace(problem, minimise=against, limits=at_cost))
    choices = second.choices or first.choices
    exact = first.bound.status == second.bound.status == "optimal"
    return FrontPoint(cost, total(problem, choices, against), choices), exact
