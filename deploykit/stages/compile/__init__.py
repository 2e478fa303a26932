"""Compile the segments with a vendor's toolchain, if asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deploykit.artifacts.binaries import BinarySet

if TYPE_CHECKING:
    from deploykit.artifacts.model import Partition
    from deploykit.artifacts.precision import PrecisionPlan
    from deploykit.core.workspace import Workspace
    from deploykit.stages.call import StageCall
    from deploykit.tasks.protocol import Clip

__all__ = ["GIVES", "PARAMS", "CompileParams", "compile_network", "run"]


@dataclass(frozen=True)
class CompileParams:
    """Options of the compile stage.

    `toolchain` is one of `deploykit toolchain list`, or a YAML file that describes one; "" compiles nothing.
    `chip` is one of its chips (empty: its only one). `options` are the toolchain's own. `calibration_frames`
    is the most that the compiler's own calibration reads. `failed` says what happens to a segment that the
    compiler refuses or fails at: "stop", or "host": it stays on the host's CPU. `time_limit_s` is for each
    run of the compiler or simulator.
    """

    toolchain: str = ""
    chip: str = ""
    options: dict[str, str] = field(default_factory=dict)
    calibration_frames: int = 16
    failed: Literal["stop", "host"] = "stop"
    time_limit_s: float = 1800.0


def compile_network(
    partition: Partition,
    plan: PrecisionPlan,
    quantized: Partition,
    clips: Iterable[Clip],
    *,
    params: CompileParams,
    workspace: Workspace,
    root: Path | None = None,
    folder: Path = Path(),
) -> BinarySet:
    """Compile every segment that is not for the CPU; nothing where no toolchain is named.

    `root` is the folder of the toolchains (None: the user's), `folder` the one that a description's path is
    relative to.

    Raises:
        InputError: an unknown toolchain, chip or option; a toolchain that is not installed; what the compiler
            would refuse, all of it at once; a compiler that failed, with its last lines.
    """
    if not params.toolchain:
        return BinarySet(partition.network, "", "", "", ())
    from deploykit.stages.compile.network import compile_segments  # pulls onnx in: only when it is asked for

    return compile_segments(
        partition, plan, quantized, clips, params=params, workspace=workspace, root=root, folder=folder
    )


PARAMS = CompileParams
GIVES = BinarySet


def run(call: StageCall) -> BinarySet:
    """Run the stage for the pipeline."""
    return compile_network(
        call.inputs["split"],
        call.inputs["precision"],
        call.inputs["quantize"],
        call.clips,
        params=call.params,
        workspace=call.workspace,
        folder=call.folder,
    )
