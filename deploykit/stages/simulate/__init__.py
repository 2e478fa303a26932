"""Dump every layer of the compiled network, as the vendor's simulator computes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deploykit.artifacts.dumps import DumpSet
from deploykit.stages.dump import DumpParams

if TYPE_CHECKING:
    from deploykit.artifacts.binaries import BinarySet
    from deploykit.artifacts.model import Partition
    from deploykit.artifacts.precision import PrecisionPlan
    from deploykit.core.workspace import Workspace
    from deploykit.stages.call import StageCall
    from deploykit.tasks.protocol import Clip

__all__ = ["GIVES", "LABEL", "PARAMS", "run", "simulate_network"]

LABEL = "simulator"


def simulate_network(
    partition: Partition,
    plan: PrecisionPlan,
    quantized: Partition,
    binaries: BinarySet,
    clips: Iterable[Clip],
    *,
    params: DumpParams,
    workspace: Workspace,
    folder: Path = Path(),
) -> DumpSet:
    """Run clips through the chain of simulated segments, and those on the host in onnxruntime, with state.

    The tensors' names are the float network's; those that the simulator does not show are left out by name.
    Gives an empty set where nothing was compiled, or where the toolchain has no simulator. `folder` is the
    one that a description's path is relative to.

    Raises:
        InputError: no frames, a pattern that matches nothing, too many bytes; a simulator that failed.
    """
    if not binaries.toolchain or not simulates(binaries.toolchain, folder):
        return DumpSet(partition.network, LABEL, (), ())
    from deploykit.stages.simulate.dumps import dump_simulated  # pulls onnx in: only when it is asked for

    return dump_simulated(
        partition,
        plan,
        quantized,
        binaries,
        clips,
        params=params,
        workspace=workspace,
        label=LABEL,
        beside=folder,
    )


def simulates(toolchain: str, folder: Path) -> bool:
    """Say whether a toolchain has a simulator."""
    from deploykit.toolchains import load_toolchain

    return load_toolchain(toolchain, folder=folder).capabilities().simulates


PARAMS = DumpParams
GIVES = DumpSet


def run(call: StageCall) -> DumpSet:
    """Run the stage for the pipeline."""
    return simulate_network(
        call.inputs["split"],
        call.inputs["precision"],
        call.inputs["quantize"],
        call.inputs["compile"],
        call.clips,
        params=call.params,
        workspace=call.workspace,
        folder=call.folder,
    )
