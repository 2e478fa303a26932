"""Choose each node's precision, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploykit.artifacts.precision import PrecisionPlan
from deploykit.stages.precision.params import Choice, PrecisionParams, SchemeException, Thresholds
from deploykit.stages.precision.plan import plan_precision

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall

__all__ = ["Choice", "PrecisionParams", "SchemeException", "Thresholds", "plan_precision"]

PARAMS = PrecisionParams
GIVES = PrecisionPlan


def run(call: StageCall) -> PrecisionPlan:
    """Run the stage for the pipeline."""
    return plan_precision(
        call.inputs["split"], call.inputs["analyze"], profile=call.profile, params=call.params
    )
