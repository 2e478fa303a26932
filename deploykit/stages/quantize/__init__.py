"""Calibrate, and emit QDQ ONNX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.stages.quantize.params import QuantizeParams

if TYPE_CHECKING:
    from deploykit.core.workspace import Workspace
    from deploykit.stages.call import StageCall
    from deploykit.tasks.protocol import Clip

PARAMS = QuantizeParams
GIVES = Partition


def quantize(
    partition: Partition,
    plan: PrecisionPlan,
    clips: Iterable[Clip],
    *,
    params: QuantizeParams,
    workspace: Workspace,
) -> Partition:
    """Give the same segments in QDQ form, with int8 weights; inputs and outputs keep name, type and shape.

    Nodes planned as float16 are float16 in the file; where it cannot hold what they compute, they stay
    float32 with a notice. Names are explained in `artifacts.precision`.

    Raises:
        InputError: calibration data with no frames, missing inputs, wrong types or shapes, NaN or infinity;
            an opset that cannot be raised to one with int8 weights.
    """
    from deploykit.stages.quantize.network import quantize_network  # pulls onnx in: only when the step runs

    return quantize_network(partition, plan, clips, params=params, workspace=workspace)


def run(call: StageCall) -> Partition:
    """Run the stage for the pipeline."""
    return quantize(
        call.inputs["split"],
        call.inputs["precision"],
        call.clips,
        params=call.params,
        workspace=call.workspace,
    )
