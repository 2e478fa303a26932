"""Measure how far the outputs move when one layer computes on fewer bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.stages.sensitivity.params import SensitivityParams

if TYPE_CHECKING:
    from deploykit.core.workspace import Workspace
    from deploykit.stages.call import StageCall
    from deploykit.tasks.protocol import Clip

__all__ = ["GIVES", "PARAMS", "SensitivityParams", "measure_sensitivity", "plan_error", "run"]

PARAMS = SensitivityParams
GIVES = Sensitivity


def measure_sensitivity(
    partition: Partition,
    clips: Iterable[Clip],
    *,
    params: SensitivityParams,
    workspace: Workspace,
    folder: Path = Path(),
) -> Sensitivity:
    """Give each layer's error at each scheme, over the clips' frames; nothing in the modes "off" and "auto".

    A layer's weights are those that the quantize stage would write for it (with its default options), and its
    results are rounded as they would be. State enters each frame as the float network has it.
    A metric of the user's is looked for in `folder` too.

    Raises:
        InputError: no frames, no such metric, outputs that the network does not have, no real outputs.
    """
    if params.mode in ("off", "auto"):  # a pipeline has put the mode that its policy needs in place of "auto"
        return Sensitivity(partition.network, "off", params.measure, 0, (), ())
    from deploykit.stages.sensitivity.network import network_sensitivity  # pulls onnx in: only when it is run

    return network_sensitivity(partition, clips, params=params, workspace=workspace, user_folder=folder)


def plan_error(
    partition: Partition,
    plan: PrecisionPlan,
    clips: Sequence[Clip],
    *,
    sensitivity: Sensitivity,
    workspace: Workspace,
    folder: Path = Path(),
) -> float:
    """Give the error of the whole network under a plan: the outputs, measure and frames of `sensitivity`.

    Raises:
        InputError: no frames.
    """
    from deploykit.stages.sensitivity.network import network_error  # as above

    return network_error(
        partition, plan, clips, sensitivity=sensitivity, workspace=workspace, user_folder=folder
    )


def run(call: StageCall) -> Sensitivity:
    """Run the stage for the pipeline."""
    return measure_sensitivity(
        call.inputs["split"], call.clips, params=call.params, workspace=call.workspace, folder=call.folder
    )
