"""Split: cut into segments, and prove the chain equal to the whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploykit.artifacts.model import Model, Partition
from deploykit.core.profile import ChipProfile
from deploykit.core.workspace import Workspace
from deploykit.stages.call import StageCall
from deploykit.stages.split.params import SplitParams
from deploykit.tasks.protocol import Clip

__all__ = ["GIVES", "PARAMS", "SplitParams", "run", "split_model"]

PARAMS = SplitParams
GIVES = Partition


def split_model(
    model: Model,
    clips: Iterable[Clip],
    *,
    profile: ChipProfile,
    params: SplitParams,
    workspace: Workspace,
    node_time_s: Mapping[str, float] | None = None,
) -> Partition:
    """Cut a model into a chain of segments, each for one engine, and prove the chain bit-equal to the whole.

    `node_time_s` gives predicted seconds by node id for `params.balance`; by default the chip's roofline
    does.

    Raises:
        InputError: the params name what the model does not have, or ask for what cannot be; all faults at
            once.
        FindingError: the chain differs from the whole.
    """
    from deploykit.stages.split.split import split_network  # pulls onnx in: only when the step runs

    return split_network(
        model, clips, profile=profile, params=params, workspace=workspace, node_time_s=node_time_s
    )


def run(call: StageCall) -> Partition:
    """Run the step with what the runner hands over."""
    assert call.profile is not None  # the step's entry in STAGES asks for it
    model: Model = call.inputs["export"]
    profile = narrowed(call.profile, call.params.toolchain, call.folder)
    return split_model(model, call.clips, profile=profile, params=call.params, workspace=call.workspace)


def narrowed(profile: ChipProfile, toolchain: str, folder: Path) -> ChipProfile:
    """Give the profile without what a toolchain refuses on the main engine; nothing named: the profile.

    Raises:
        InputError: an unknown toolchain, or a wrong description.
    """
    if not toolchain:
        return profile
    from deploykit.toolchains import load_toolchain

    taken = {
        item.op
        for item in load_toolchain(toolchain, "toolchain (of split or compile)", folder=folder)
        .capabilities()
        .operators
    }
    if not taken:
        return profile
    main, *others = profile.engines
    operators = (
        tuple(sorted(taken)) if "*" in main.operators else tuple(op for op in main.operators if op in taken)
    )
    return dataclasses.replace(profile, engines=(dataclasses.replace(main, operators=operators), *others))
