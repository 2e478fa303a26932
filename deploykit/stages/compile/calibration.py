"""What enters each segment in the float network, for a compiler that calibrates by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from deploykit.artifacts.model import Partition, Segment
from deploykit.core.errors import input_error
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.frame_files import write_frame
from deploykit.toolchains.reference import ReferenceNetwork, zeros
from deploykit.toolchains.taps import tapped


def write_calibration(
    partition: Partition,
    segments: Sequence[Segment],
    clips: Iterable[Clip],
    most: int,
    folder: Path,
    workspace: Workspace,
) -> Path:
    """Write `most` frames at most, spread evenly over the clips' frames; gives a folder with one a segment.

    Raises:
        InputError: no frames.
    """
    target = folder / "calibration"
    wanted = {name for segment in segments for name in segment.graph.inputs}
    inside, files = tapped(partition, workspace, sorted(wanted), folder / "calibration_taps")
    network = ReferenceNetwork(inside, files)
    kept = list(clips)
    total = sum(len(clip.frames) for clip in kept)
    if not total or most < 1:
        raise input_error("compile", "there are no frames to calibrate with", "give clips, and frames >= 1")
    chosen = {at * total // min(most, total) for at in range(min(most, total))}
    for segment in segments:
        (target / segment.name).mkdir(parents=True)
    at = 0
    first = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
    for clip in kept:
        network.reset()
        state = first
        for frame in clip.frames:
            values = {**state, **frame, **network(frame)}
            state = {pair.input: values[pair.output] for pair in partition.state}
            if at in chosen:
                for segment in segments:
                    inputs = {name: values[name] for name in segment.graph.inputs}
                    write_frame(target / segment.name / f"{at:04d}.npz", inputs)
            at += 1
    return target
