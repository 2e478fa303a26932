"""Write what a simulated chain computes as a dump set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.dumps import DumpedTensor, DumpSet
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.workspace import Workspace
from deploykit.stages.dump import DumpParams, DumpWriter, first_frames, wanted_tensors
from deploykit.stages.simulate.chain import GOLDEN, simulated_chain
from deploykit.tasks.protocol import Clip


def dump_simulated(
    partition: Partition,
    plan: PrecisionPlan,
    quantized: Partition,
    binaries: BinarySet,
    clips: Iterable[Clip],
    *,
    params: DumpParams,
    workspace: Workspace,
    label: str,
    beside: Path,
) -> DumpSet:
    """Run the frames that the dump stage runs, and keep what the simulator shows of its tensors."""
    wanted = wanted_tensors(partition, params)
    kept = first_frames(clips, params.frames)
    names = [tensor.name for tensor in wanted]
    with workspace.scratch() as folder:
        chain = simulated_chain(
            partition,
            plan,
            quantized,
            binaries,
            folder=folder / "segments",
            workspace=workspace,
            tensors=names,
            beside=beside,
        )
        frames = chain.run(kept)
        writer = DumpWriter(folder, sum(len(clip.frames) for clip in kept), params.max_bytes)
        shown = [*wanted, *(replace(item, name=f"{item.name}{GOLDEN}") for item in wanted)]
        for clip in frames:
            for values in clip:
                writer.write(shown, values)
        tensors, golden = _parted(writer.finish(shown, workspace))
    clips_run = tuple((clip.name, len(clip.frames)) for clip in kept)
    state = tuple((pair.output, pair.input) for pair in partition.state)
    missing = (name for name in writer.left_out if not name.endswith(GOLDEN))
    left_out = (*missing, *(f"{name} ({why})" for name, why in chain.left_out.items()))
    return DumpSet(partition.network, label, clips_run, tensors, left_out, state, golden)


def _parted(
    tensors: tuple[DumpedTensor, ...],
) -> tuple[tuple[DumpedTensor, ...], tuple[DumpedTensor, ...]]:
    """Give the simulator's tensors, and those of the vendor's float run by the same names."""
    simulated = tuple(tensor for tensor in tensors if not tensor.name.endswith(GOLDEN))
    golden = (tensor for tensor in tensors if tensor.name.endswith(GOLDEN))
    return simulated, tuple(replace(item, name=item.name.removesuffix(GOLDEN)) for item in golden)
