"""Run frames through the interpreter or the cmodel, and give them under our tensors' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deploykit.toolchains.driver_run import run_driver
from deploykit.toolchains.frame_files import frame_files, read_frame, rewrite_frames
from deploykit.toolchains.protocol import Environment, Job, Simulated
from deploykit.toolchains.tpu_mlir.build import variables
from deploykit.toolchains.tpu_mlir.hints import PLAIN_HINTS
from deploykit.toolchains.tpu_mlir.names import Names, output_names, renamed

DRIVER = Path(__file__).with_name("driver.py")


def run_frames(
    job: Job, model: Path, frames: Path, environment: Environment, *, tensors: Sequence[str] = ()
) -> Simulated:
    """Run a bmodel or a lowered network over a folder of frames.

    Raises:
        InputError: it crashed, was not done in time, or gave other tensors than the network has.
    """
    results = job.folder / f"results-{model.suffix[1:]}"
    theirs = raw_frames(job, model, frames, results, environment, everything=bool(tensors))
    where = f"tpu-mlir, segment {job.name!r}, chip {job.chip}"
    kept = output_names(theirs, job.segment.graph.outputs, where)
    others: dict[str, str] = {}
    if tensors:
        found = list(read_frame(frame_files(results)[0])) if frame_files(results) else []
        names = Names(job.segment.graph)
        others = dict(renamed(found, names))
        inner = {ours: name for name in found if (ours := names.exact(name)) in tensors and ours}
        kept = {**inner, **kept}
    outputs = job.segment.graph.outputs
    others |= rewrite_frames(results, kept, job.segment.graph.tensor, needed=outputs, where=where)
    return Simulated(results, bool(tensors), others)


def raw_frames(
    job: Job, model: Path, frames: Path, results: Path, environment: Environment, *, everything: bool
) -> list[str]:
    """Run frames and leave the results under tpu-mlir's own names; gives those of the outputs."""
    request = {
        "model": str(model),
        "frames": str(frames),
        "results": str(results),
        "tensors": "all" if everything else "outputs",
    }
    answer, _ = run_driver(
        DRIVER,
        request,
        environment,
        where=f"tpu-mlir, segment {job.name!r}, chip {job.chip}",
        folder=job.folder,
        label=f"simulate-{model.suffix[1:]}",
        time_limit_s=job.time_limit_s,
        hints=PLAIN_HINTS,
        variables=variables(environment),
    )
    return [str(name) for name in answer["outputs"]]
