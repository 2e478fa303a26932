"""The best schemes under a bound on error, time or size, solved exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.layer_units import Unit
from deploykit.artifacts.costs import NodeCost
from deploykit.artifacts.precision import Scheme, Tradeoff, TradeoffPoint, is_integer
from deploykit.artifacts.sensitivity import LayerSensitivity, Sensitivity
from deploykit.core.errors import Fault, FindingError, InputError, input_error
from deploykit.solve.assign.assign import assign
from deploykit.solve.assign.front import pareto_front
from deploykit.solve.assign.problem import AssignProblem, Item, Limit, Measure, Option, total
from deploykit.solve.assign.solution import FrontPoint
from deploykit.solve.assign.validate import assignment_faults
from deploykit.stages.precision.groups import Allowed, Group, Planned, width, with_followers
from deploykit.stages.precision.params import Budget

UNITS: dict[Measure, float] = {"time": 1e-12, "size": 1.0, "error": 1e-12}
"""What 1 stands for in the integer program: picoseconds, bytes, 1e-12 of error."""

FRONT_POINTS = 100
"""The most plans of the front that an artifact holds."""

LARGEST_ERROR = 1.0
"""An error as large as the output itself; more makes no difference."""


@dataclass(frozen=True)
class _Layer:
    """A layer, the group it is in, and the plan of its nodes for each option."""

    unit: Unit
    item: Item
    plans: tuple[dict[str, Planned], ...]


def by_budget(
    groups: Sequence[Group],
    costs: Mapping[str, NodeCost],
    allowed: Allowed,
    sensitivity: Sensitivity,
    budget: Budget,
) -> tuple[dict[str, Planned], Tradeoff]:
    """Give the nodes of all layers their schemes, and the trade-off that they are a point of.

    Raises:
        InputError: errors that were not measured, no bound at all.
        FindingError: no plan keeps the bounds.
    """
    _check(sensitivity, budget)
    layers = _layers(groups, costs, allowed, sensitivity)
    problem = AssignProblem(tuple(layer.item for layer in layers), budget.minimise, _limits(budget))
    against: Measure = "error" if budget.minimise != "error" else "time"
    front = pareto_front(AssignProblem(problem.items, budget.minimise), against)
    kept = front.points[:: -(-len(front.points) // FRONT_POINTS)] if front.points else ()
    if budget.point is not None:
        most = _front_point(kept, budget.point)
        problem = AssignProblem(problem.items, budget.minimise, (Limit(against, most.error),))
    answer = assign(problem)
    if len(answer.choices) != len(layers):
        raise FindingError(_infeasible(problem))
    faults = assignment_faults(problem, answer.choices)
    assert not faults, faults
    planned: dict[str, Planned] = {}
    for layer, choice in zip(layers, answer.choices, strict=True):
        planned |= layer.plans[choice]
    unit = UNITS[budget.minimise]
    return planned, Tradeoff(
        budget.minimise,
        answer.bound.status,
        answer.bound.objective * unit,
        answer.bound.lower_bound * unit,
        tuple(layer.unit.name for layer in layers),
        _point(layers, problem, answer.choices),
        tuple(_point(layers, problem, point.choices) for point in kept),
        front.whole and len(kept) == len(front.points),
    )


def _front_point(front: Sequence[FrontPoint], at: int) -> FrontPoint:
    if not 0 <= at < len(front):
        what = f"there is no point {at}, the front has {len(front)} (0 to {len(front) - 1})"
        raise input_error("precision.budget.point", what, "the report shows each point's number")
    return front[at]


def _check(sensitivity: Sensitivity, budget: Budget) -> None:
    faults = []
    if sensitivity.mode not in ("measured", "estimated"):
        what = (
            f"the policy budget needs errors of single layers, and sensitivity.mode is {sensitivity.mode!r}"
        )
        faults.append(
            Fault("precision.policy", what, "leave sensitivity.mode out, or set it to measured or estimated")
        )
    if budget.minimise == "error" and budget.most_time_s is None and budget.most_weight_bytes is None:
        what = "the least error without a bound is no rounding at all"
        faults.append(Fault("precision.budget", what, "set most_time_s or most_weight_bytes"))
    if faults:
        raise InputError(*faults)


def _limits(budget: Budget) -> tuple[Limit, ...]:
    bounds: dict[Measure, float | None] = {
        "error": budget.most_error if budget.minimise != "error" else None,
        "time": budget.most_time_s,
        "size": budget.most_weight_bytes,
    }
    return tuple(Limit(name, int(most / UNITS[name])) for name, most in bounds.items() if most is not None)


def _layers(
    groups: Sequence[Group], costs: Mapping[str, NodeCost], allowed: Allowed, sensitivity: Sensitivity
) -> list[_Layer]:
    measured = {layer.layer: layer for layer in sensitivity.layers}
    found = []
    faults = []
    for number, group in enumerate(groups):
        for unit in group.units:
            errors = _errors(group.choices[unit.name], measured.get(unit.name), sensitivity)
            if not errors:
                what = f"{unit.name} may take {', '.join(group.choices[unit.name])}, and none was measured"
                faults.append(Fault("precision.budget", what, "add one to sensitivity.schemes"))
            found.append(_layer(unit, errors, costs, allowed, f"group {number}"))
    if faults:
        raise InputError(*faults)
    return found


def _errors(
    schemes: Sequence[Scheme], layer: LayerSensitivity | None, sensitivity: Sensitivity
) -> dict[Scheme, float]:
    """Give the error of each scheme that was measured, times how much more the whole has than its layers."""
    found = {}
    for scheme in schemes:
        own = 0.0 if not is_integer(scheme) else layer.error_at(scheme) if layer else None
        if own is not None:
            factor = sensitivity.additivity(scheme) if is_integer(scheme) else None
            found[scheme] = min(own * max(factor or 1.0, 1.0), LARGEST_ERROR)
    return found


def _layer(
    unit: Unit,
    errors: Mapping[Scheme, float],
    costs: Mapping[str, NodeCost],
    allowed: Allowed,
    group: str,
) -> _Layer:
    options = []
    plans = []
    for scheme, error in errors.items():
        reason = f"By the budget: error {error:.2g} at {scheme}."
        plan = with_followers(unit, (scheme, reason), allowed)
        at = [costs[node].at(own) for node, (own, _) in plan.items()]
        time_s, size = sum(cost.time_s for cost in at), sum(cost.weight_bytes for cost in at)
        options.append(
            Option(
                round(time_s / UNITS["time"]), size, error=round(error / UNITS["error"]), tag=width(scheme)
            )
        )
        plans.append(plan)
    return _Layer(unit, Item(tuple(options), group), tuple(plans))


def _point(layers: Sequence[_Layer], problem: AssignProblem, choices: Sequence[int]) -> TradeoffPoint:
    chosen = zip(layers, choices, strict=True)
    return TradeoffPoint(
        total(problem, choices, "time") * UNITS["time"],
        total(problem, choices, "size"),
        total(problem, choices, "error") * UNITS["error"],
        tuple(layer.plans[choice][layer.unit.name][0] for layer, choice in chosen),
    )


def _infeasible(problem: AssignProblem) -> str:
    """Say what the least of each bounded sum is, each for itself."""
    shown = []
    for limit in problem.limits:
        unit = UNITS[limit.measure]
        least = assign(AssignProblem(problem.items, limit.measure)).bound.objective * unit
        shown.append(f"{limit.measure} at most {limit.most * unit:.4g} (the least by itself: {least:.4g})")
    return f"no plan keeps the budget: {', '.join(shown)}; raise a bound, or allow more schemes"
