"""A partition whose compiled segments run in a vendor's simulator, the others on the host.

A simulator is started for many frames at once, since starting it takes longer than a frame. State runs from
frame to frame, so the segments between what a frame reads of the state and what it writes of it go frame by
frame, over all clips at once; those before and after take all frames of all clips together.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import input_error
from deploykit.core.runtime import open_session, run_session
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import ready_environment, toolchain_root
from deploykit.toolchains.frame_files import frame_files, read_frame, write_frame
from deploykit.toolchains.jobs import make_job
from deploykit.toolchains.protocol import Compiled, Environment, Toolchain
from deploykit.toolchains.reference import zeros
from deploykit.toolchains.taps import write_tapped

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = dict[str, Array]
Runner: TypeAlias = Callable[[list[Values]], list[Values]]


GOLDEN = "::golden"
"""Stands behind the names of tensors that the vendor's own float run gave."""


@dataclass
class SimulatedChain:
    """Runs clips; `runners` takes the frames of one segment to its outputs. `left_out` fills with the names
    of the vendor's dumps that stand for no tensor, and why."""

    partition: Partition
    runners: Mapping[str, Runner]
    left_out: dict[str, str] = field(default_factory=dict)

    def run(self, clips: Sequence[Clip], *, keep: Collection[str] | None = None) -> list[list[Values]]:
        """Give each frame's tensors, clip by clip: `keep`, or all of them."""
        frames: list[list[Values]] = [[dict(frame) for frame in clip.frames] for clip in clips]
        everything = [values for clip in frames for values in clip]
        before, loop, after = phases(self.partition)
        for segment in before:
            self._run(segment, everything)
        first = {pair.input: zeros(self.partition.tensor[pair.input]) for pair in self.partition.state}
        for at in range(max((len(clip) for clip in frames), default=0)):
            present = [clip for clip in frames if at < len(clip)]
            for clip in present:
                previous = clip[at - 1] if at else {}
                clip[at] |= {
                    pair.input: previous[pair.output] if at else first[pair.input]
                    for pair in self.partition.state
                }
            for segment in loop:
                self._run(segment, [clip[at] for clip in present])
        for segment in after:
            self._run(segment, everything)
        if keep is not None:
            return [[{name: values[name] for name in keep} for values in clip] for clip in frames]
        return frames

    def _run(self, segment: Segment, frames: list[Values]) -> None:
        fed = [{name: values[name] for name in segment.graph.inputs} for values in frames]
        for values, results in zip(frames, self.runners[segment.name](fed), strict=True):
            values |= results


def phases(partition: Partition) -> tuple[list[Segment], list[Segment], list[Segment]]:
    """Give the segments before, inside and after the loop of the state, each in execution order."""
    late = {pair.input for pair in partition.state}
    for segment in partition.segments:
        if late.intersection(segment.graph.inputs):
            late.update(segment.graph.outputs)
    needed = {pair.output for pair in partition.state}
    for segment in reversed(partition.segments):
        if needed.intersection(segment.graph.outputs):
            needed.update(segment.graph.inputs)
    found: tuple[list[Segment], list[Segment], list[Segment]] = ([], [], [])
    for segment in partition.segments:
        is_late = bool(late.intersection(segment.graph.inputs))
        is_needed = bool(needed.intersection(segment.graph.outputs))
        found[0 if not is_late else 1 if is_needed else 2].append(segment)
    return found


def simulated_chain(
    partition: Partition,
    plan: PrecisionPlan,
    quantized: Partition,
    binaries: BinarySet,
    *,
    folder: Path,
    workspace: Workspace,
    tensors: Iterable[str] = (),
    root: Path | None = None,
    beside: Path = Path(),
) -> SimulatedChain:
    """Give the chain of a network's binaries; `tensors` are inner ones to show. Files lie below `folder`,
    the toolchains below `root` (None: the user's folder), a description's path is relative to `beside`."""
    toolchain = load_toolchain(binaries.toolchain, folder=beside)
    environment = ready_environment(toolchain, toolchain_root(root))
    wanted = tuple(tensors)
    compiled = {binary.segment: binary for binary in binaries.binaries}
    runners: dict[str, Runner] = {}
    chain = SimulatedChain(partition, runners)
    for segment in partition.segments:
        place = folder / segment.name
        if segment.name in compiled:
            runners[segment.name] = _simulator(
                segment,
                plan,
                quantized,
                binaries,
                place,
                workspace,
                wanted,
                chain.left_out,
                toolchain,
                environment,
            )
        else:
            runners[segment.name] = _host(segment, place, workspace, wanted)
    return chain


def _simulator(
    segment: Segment,
    plan: PrecisionPlan,
    quantized: Partition,
    binaries: BinarySet,
    folder: Path,
    workspace: Workspace,
    tensors: tuple[str, ...],
    left_out: dict[str, str],
    toolchain: Toolchain,
    environment: Environment,
) -> Runner:
    binary = next(item for item in binaries.binaries if item.segment == segment.name)
    inside = {name for node in segment.graph.nodes for name in node.outputs}

    def run(frames: list[Values]) -> list[Values]:
        shutil.rmtree(folder, ignore_errors=True)
        job = make_job(
            segment,
            plan,
            quantized,
            workspace,
            chip=binaries.chip,
            calibration=None,
            folder=folder,
            options=binaries.options,
            time_limit_s=binaries.time_limit_s,
        )
        for blob in binary.files:
            shutil.copyfile(workspace.path(blob), folder / blob.name)
        compiled = Compiled(tuple(folder / blob.name for blob in binary.files), binary.report)
        given = folder / "frames"
        given.mkdir()
        for at, values in enumerate(frames):
            write_frame(given / f"{at:06d}.npz", values)
        shown = [name for name in tensors if name in inside]
        done = toolchain.simulate(job, compiled, given, environment, tensors=shown)
        left_out.update(done.renamed)
        results = [read_frame(file) for file in frame_files(done.frames)]
        if done.golden is not None:
            for values, file in zip(results, frame_files(done.golden), strict=True):
                values |= {f"{name}{GOLDEN}": value for name, value in read_frame(file).items()}
        shutil.rmtree(folder)
        if len(results) != len(frames):
            what = f"the simulator gave {len(results)} of {len(frames)} frames"
            raise input_error(f"{toolchain.name}, segment {segment.name!r}", what)
        return results

    return run


def _host(segment: Segment, folder: Path, workspace: Workspace, tensors: tuple[str, ...]) -> Runner:
    model = workspace.folder(segment.files) / segment.files[0].name
    if tensors:
        model = write_tapped(model, tensors, folder)
    session = open_session(model, exact=bool(tensors), name=f"segment {segment.name!r}")
    names = [value.name for value in session.get_outputs()]

    def run(frames: list[Values]) -> list[Values]:
        return [
            dict(zip(names, run_session(session, values, names, name=segment.name), strict=True))
            for values in frames
        ]

    return run
