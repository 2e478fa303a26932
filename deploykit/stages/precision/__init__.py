"""Choose each node's precision, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploykit.artifacts.precision import PrecisionPlan
from deploykit.stages.precision.params import Budget, Choice, PrecisionParams, SchemeException, Thresholds
from deploykit.stages.precision.plan import plan_precision

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall

__all__ = ["Budget", "Choice", "PrecisionParams", "SchemeException", "Thresholds", "plan_precision"]

PARAMS = PrecisionParams
GIVES = PrecisionPlan


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
