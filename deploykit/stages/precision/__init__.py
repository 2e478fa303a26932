"""Choose each node's precision, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploykit.artifacts.precision import PrecisionPlan
from deploykit.stages.precision.params import Budget, Choice, PrecisionParams, SchemeException, Thresholds

if TYPE_CHECKING:
    from deploykit.artifacts.costs import CostReport
    from deploykit.artifacts.model import Partition
    from deploykit.artifacts.sensitivity import Sensitivity
    from deploykit.core.profile import ChipProfile
    from deploykit.stages.call import StageCall

__all__ = ["Budget", "Choice", "PrecisionParams", "SchemeException", "Thresholds", "plan_precision"]

PARAMS = PrecisionParams
GIVES = PrecisionPlan


def plan_precision(
    partition: Partition,
    costs: CostReport,
    sensitivity: Sensitivity | None = None,
    *,
    profile: ChipProfile,
    params: PrecisionParams,
) -> PrecisionPlan:
    """Give each node a scheme that its engine has: the user's, a rule's, or the policy's.

    The policy "budget" reads `sensitivity`.

    Raises:
        InputError: patterns that match no segment and no node; schemes that the chip lacks where the user
            allows only these; layers that share a scale and may not have one width; errors that were not
            measured.
        FindingError: no plan keeps the budget.
    """
    from deploykit.stages.precision.plan import plan_network_precision  # the solver: only when the step runs

    return plan_network_precision(partition, costs, sensitivity, profile=profile, params=params)


def run(call: StageCall) -> PrecisionPlan:
    """Run the stage for the pipeline."""
    inputs = call.inputs["split"], call.inputs["analyze"], call.inputs["sensitivity"]
    params: PrecisionParams = call.params
    if params.policy == "budget" and params.budget.repair:
        from deploykit.stages.precision.repair import repaired_plan

        return repaired_plan(
            *inputs,
            call.clips,
            profile=call.profile,
            params=params,
            workspace=call.workspace,
            folder=call.folder,
        )
    return plan_precision(*inputs, profile=call.profile, params=params)
