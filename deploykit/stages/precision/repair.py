"""Measure a plan as a whole, and tighten it until the outputs keep the bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.core.errors import FindingError
from deploykit.core.profile import ChipProfile
from deploykit.core.workspace import Workspace
from deploykit.stages.precision import plan_precision
from deploykit.stages.precision.params import PrecisionParams
from deploykit.stages.sensitivity import plan_error
from deploykit.tasks.protocol import Clip

ROUNDS = 6
"""Plans that are measured before giving up."""

MARGIN = 0.9
"""A little more than what was missed is taken off the bound, so that the next plan is likely to keep it."""


def repaired_plan(
    partition: Partition,
    costs: CostReport,
    sensitivity: Sensitivity,
    clips: Iterable[Clip],
    *,
    profile: ChipProfile,
    params: PrecisionParams,
    workspace: Workspace,
    folder: Path = Path(),
) -> PrecisionPlan:
    """Give a plan under a budget whose error, measured with all layers at their schemes, keeps the bound.

    Where layers add to each other's error, the bound on the sum is lowered by what the measured error exceeds
    the wanted one, and the plan is solved anew: the layers that pay least for it get more bits.

    Raises:
        FindingError: no plan keeps the bounds, predicted or measured.
    """
    wanted = params.budget.most_error
    bound = wanted
    kept = tuple(clips)
    seen: list[str] = []
    for _ in range(ROUNDS):
        budget = dataclasses.replace(params.budget, most_error=bound)
        tightened = dataclasses.replace(params, budget=budget)
        try:
            plan = plan_precision(partition, costs, sensitivity, profile=profile, params=tightened)
        except FindingError as error:
            raise FindingError("; ".join((*seen, str(error)))) from None
        error_seen = plan_error(
            partition, plan, kept, sensitivity=sensitivity, workspace=workspace, folder=folder
        )
        assert plan.tradeoff is not None
        predicted = plan.tradeoff.chosen.error
        seen.append(f"predicted error {predicted:.3g}, measured {error_seen:.3g}")
        if error_seen <= wanted or params.budget.minimise == "error" or params.budget.point is not None:
            tradeoff = dataclasses.replace(plan.tradeoff, measured_error=error_seen)
            notices = (*plan.notices, f"the whole plan: {'; then '.join(seen)}")
            return dataclasses.replace(plan, tradeoff=tradeoff, notices=notices)
        bound = min(bound, predicted) * MARGIN * wanted / error_seen
    raise FindingError(f"no plan was met whose measured error is at most {wanted:g}: {'; then '.join(seen)}")
