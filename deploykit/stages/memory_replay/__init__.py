"""Prove a memory plan by execution: the network runs inside its planned blocks, the rest is poison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_replay import MemoryReplay, ReplayRun
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import InputError, input_error
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip, Frame

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall
    from deploykit.stages.memory_replay.arena_run import ArenaRun


@dataclass(frozen=True)
class MemoryReplayParams:
    """How the memory plan is proved.

    `frames`: how many consecutive frames are run inside the planned blocks, at most; 0 leaves the proof out.
    """

    frames: int = 3


PARAMS = MemoryReplayParams
GIVES = MemoryReplay

MOST_FAULTS = 20


def replay_memory(
    partition: Partition,
    plan: PrecisionPlan,
    memory: MemoryPlan,
    clips: Iterable[Clip],
    *,
    params: MemoryReplayParams,
    workspace: Workspace,
) -> MemoryReplay:
    """Run the float network node by node, each tensor at its planned offset in the type that it is stored in.

    The run beside it rounds in the same way, but gives every tensor memory of its own; both have to give the
    same bits. Where the plan stores every tensor in the network's own type, both must also give the bits of
    onnxruntime's run of whole segments. A notice says where a node cannot run alone (it reads a sequence).

    Raises:
        InputError: `frames` is below 0, or there are no frames.
    """
    planned_bytes = sum(arena.size_bytes for arena in memory.arenas) + memory.state_bytes
    if params.frames < 0:
        raise input_error("memory_replay.frames", f"{params.frames} frames", "give 0 to leave the proof out")
    if not params.frames:
        notice = "the memory plan was not proved by execution: memory_replay.frames is 0"
        return MemoryReplay(partition.network, planned_bytes, (), (notice,))
    frames = list(islice(chain.from_iterable(clip.frames for clip in islice(clips, 1)), params.frames))
    if not frames:
        raise input_error("memory_replay", "the data has no frames", "give the task at least one clip")
    try:
        run = _replayed(partition, plan, memory, frames, workspace)
    except InputError as error:  # a network that a chip can run all the same
        notice = f"the memory plan was not proved by execution, as a node cannot run alone: {error}"
        return MemoryReplay(partition.network, planned_bytes, (), (notice,))
    notices: tuple[str, ...] = ()
    if run.skipped:
        named = ", ".join(run.skipped[:5]) + (" ..." if len(run.skipped) > 5 else "")
        notices = (
            f"{len(run.skipped)} tensors of unknown size were run outside the planned memory ({named})",
        )
    return MemoryReplay(partition.network, planned_bytes, (run,), notices)


def _replayed(
    partition: Partition,
    plan: PrecisionPlan,
    memory: MemoryPlan,
    frames: list[Frame],
    workspace: Workspace,
) -> ReplayRun:
    from deploykit.stages.memory_replay.arena_run import (
        run_in_arena,  # pulls onnx in: only when the step runs
    )
    from deploykit.toolchains.node_runner import NodeRunner

    stored, _ = stored_tensors(partition, plan)
    run = run_in_arena(partition, memory, stored, frames, NodeRunner(partition, workspace))
    own = all(
        form.dtype == partition.tensor[name].dtype
        for name, form in stored.items()
        if name in partition.tensor
    )
    whole = _against_segments(partition, frames, run, workspace) if own else []
    faults = (*run.faults, *whole)
    return ReplayRun(
        values="own" if own else "stored",
        frames=len(frames),
        reads=run.reads,
        outputs=sum(len(outputs) for outputs in run.plain),
        bit_equal=run.bit_equal and not whole,
        faults=faults[:MOST_FAULTS],
        fault_count=len(faults),
        skipped=run.skipped,
    )


def _against_segments(
    partition: Partition, frames: list[Frame], run: ArenaRun, workspace: Workspace
) -> list[str]:
    """Name the outputs that differ from those of onnxruntime's run of whole segments."""
    from deploykit.toolchains.reference import ReferenceNetwork

    network = ReferenceNetwork(partition, workspace, exact=True)
    found = []
    for number, (frame, outputs) in enumerate(zip(frames, run.outputs, strict=True)):
        for name, value in network(frame).items():
            if value.tobytes() != outputs[name].tobytes():
                found.append(f"frame {number}: output {name} differs from the run of whole segments")
    return found


def run(call: StageCall) -> MemoryReplay:
    """Prove one network's plan."""
    return replay_memory(
        call.inputs["split"],
        call.inputs["precision"],
        call.inputs["memory"],
        call.clips,
        params=call.params,
        workspace=call.workspace,
    )
