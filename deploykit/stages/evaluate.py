"""Measure the task's metrics, float and quantized."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from deploykit.analysis.bootstrap import Paired, paired_intervals
from deploykit.artifacts.evaluation import ClipSketch, Evaluation, FrameSketch, MetricResult
from deploykit.artifacts.model import Partition
from deploykit.core.blob import Blob
from deploykit.core.errors import Fault, InputError
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Draws, MetricSpec, Record, Task
from deploykit.toolchains.reference import ReferenceNetwork

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class EvaluateParams:
    """Options of the evaluate stage.

    `clips` unseen clips are run through the float and the quantized networks. `resamples` bootstrap draws
    (from `seed`) give the 90 % intervals. `sketches` clips, those whose first metric suffers most, are drawn
    as both variants see them, where the task can draw.
    """

    clips: int = 20
    resamples: int = 1000
    seed: int = 0
    sketches: int = 2


SKETCHED_FRAMES = 12
"""Of a longer clip, this many frames are drawn: all of them would make a page that no browser opens."""


def evaluate_task(
    floats: Sequence[Partition],
    quantized: Sequence[Partition],
    task: Task,
    *,
    kind: str,
    params: EvaluateParams,
    workspace: Workspace,
) -> Evaluation:
    """Run the same clips through both variants of all networks and compare the metrics of a task of a kind.

    Clips are spread over `workspace.workers` processes; the result does not depend on their number. A
    metric that is undefined on a resample is left out there; where that happens, a notice says how often.
    """
    if not task.metrics:
        notice = "the data has no labels: nothing to measure"
        return Evaluation(kind, 0, (), (notice,))
    _check(params)
    with _clip_workers(_job(floats, quantized, task, workspace), params.clips, workspace.workers) as each:
        records = list(workspace.track(each(_Worker.run, range(params.clips)), "evaluating", params.clips))
        variants = [record[0] for record in records], [record[1] for record in records]
        worst = _worst_clips(task, variants)[: params.sketches] if isinstance(task, Draws) else []
        drawn = list(each(_Worker.sketch, [clip for clip, _, _ in worst]))
    values = [task.summarise(variant) for variant in variants]
    intervals = _intervals(task, variants, params)
    results = tuple(_result(spec, values[0], values[1], intervals) for spec in task.metrics)
    sketches = tuple(
        _sketch(task.metrics[0].name, clip, frames) for clip, frames in zip(worst, drawn, strict=True)
    )
    return Evaluation(kind, len(records), results, tuple(_notices(intervals, params)), sketches)


def _check(params: EvaluateParams) -> None:
    faults = [
        Fault(f"evaluate.{name}", f"{value} {name} were asked for", f"give at least {least}")
        for name, value, least in (
            ("clips", params.clips, 1),
            ("resamples", params.resamples, 1),
            ("sketches", params.sketches, 0),
        )
        if value < least
    ]
    if faults:
        raise InputError(*faults)


def _worst_clips(
    task: Task, variants: tuple[Sequence[Record], Sequence[Record]]
) -> list[tuple[int, float, float]]:
    """Give (clip, float value, quantized value) of the first metric, the largest loss first."""
    spec = task.metrics[0]
    sign = -1.0 if spec.better == "lower" else 1.0
    before, after = (
        [task.summarise([record]).get(spec.name, math.nan) for record in variant] for variant in variants
    )
    values = zip(range(len(before)), before, after, strict=True)
    known = [value for value in values if math.isfinite(value[2] - value[1])]
    return sorted(known, key=lambda value: sign * (value[2] - value[1]))


def _sketch(metric: str, worst: tuple[int, float, float], frames: _Sketches) -> ClipSketch:
    """Keep at most SKETCHED_FRAMES frames, evenly spread, the first and the last among them."""
    clip, float_value, quantized_value = worst
    count = len(frames[0])
    places = min(count, SKETCHED_FRAMES)
    kept = [at * (count - 1) // (places - 1) for at in range(places)] if count > places else range(count)
    before, after = (tuple(variant[at] for at in kept) for variant in frames)
    return ClipSketch(clip, metric, float_value, quantized_value, before, after, frame_count=count)


def _intervals(
    task: Task, variants: tuple[Sequence[Record], Sequence[Record]], params: EvaluateParams
) -> dict[str, Paired]:
    first, second = variants
    return paired_intervals(
        len(first),
        lambda drawn: task.summarise([first[index] for index in drawn]),
        lambda drawn: task.summarise([second[index] for index in drawn]),
        draws=params.resamples,
        seed=params.seed,
    )


def _result(
    spec: MetricSpec,
    float_values: Mapping[str, float],
    quantized_values: Mapping[str, float],
    intervals: Mapping[str, Paired],
) -> MetricResult:
    before, after = float_values.get(spec.name, math.nan), quantized_values.get(spec.name, math.nan)
    paired = intervals[spec.name]
    return MetricResult(
        name=spec.name,
        unit=spec.unit,
        better=spec.better,
        doc=spec.doc,
        float_value=before,
        float_low=paired.first.low,
        float_high=paired.first.high,
        quantized_value=after,
        difference=after - before,
        difference_low=paired.difference.low,
        difference_high=paired.difference.high,
    )


def _notices(intervals: Mapping[str, Paired], params: EvaluateParams) -> Iterator[str]:
    for name, paired in intervals.items():
        if paired.difference.undefined:
            yield f"{name} is undefined on {paired.difference.undefined} of {params.resamples} resamples"


@dataclass(frozen=True)
class _Folders:
    """A reader that other processes can have: where each segment's files lie."""

    folders: dict[tuple[Blob, ...], Path]

    def path(self, blob: Blob) -> Path:
        """Give a file with this content."""
        return next(folder / blob.name for files, folder in self.folders.items() if blob in files)

    def folder(self, blobs: Sequence[Blob]) -> Path:
        """Give the folder in which a segment's files lie."""
        return self.folders[tuple(blobs)]


@dataclass(frozen=True)
class _Job:
    """All that a worker needs, whatever process it is in."""

    floats: tuple[Partition, ...]
    quantized: tuple[Partition, ...]
    task: Task
    reader: _Folders


_Pair = tuple[Record, Record]
_Sketches = tuple[tuple[FrameSketch, ...], tuple[FrameSketch, ...]]
T = TypeVar("T")


class _ForEachClip(Protocol):
    """Gives what a method of the worker gives for each clip, in order."""

    def __call__(self, method: Callable[[_Worker, int], T], clips: Sequence[int]) -> Iterator[T]: ...


def _job(
    floats: Sequence[Partition], quantized: Sequence[Partition], task: Task, workspace: Workspace
) -> _Job:
    segments = [segment for partition in (*floats, *quantized) for segment in partition.segments]
    reader = _Folders({segment.files: workspace.folder(segment.files) for segment in segments})
    return _Job(tuple(floats), tuple(quantized), task, reader)


@contextmanager
def _clip_workers(job: _Job, clips: int, workers: int) -> Iterator[_ForEachClip]:
    """Open the sessions once, here or in each of several processes."""
    if workers <= 1 or clips == 1:
        worker = _Worker(job)
        yield lambda method, chosen: (method(worker, clip) for clip in chosen)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # "spawn": a forked child would inherit the locks of onnxruntime's threads in whatever state they are
    context = multiprocessing.get_context("spawn")
    count = min(workers, clips)
    with ProcessPoolExecutor(count, context, initializer=_start_worker, initargs=(job,)) as pool:
        yield lambda method, chosen: pool.map(partial(_in_worker, method), chosen)


class _Worker:
    """Runs single clips through both variants; sessions are opened once."""

    def __init__(self, job: _Job) -> None:
        self._task = job.task
        self._floats = {network.network: ReferenceNetwork(network, job.reader) for network in job.floats}
        self._quantized = {
            network.network: ReferenceNetwork(network, job.reader) for network in job.quantized
        }

    def run(self, index: int) -> _Pair:
        """Give both variants' records of one clip; one after the other, so that a task can keep its data."""
        return (
            self._task.evaluate_clip(index, self._floats),
            self._task.evaluate_clip(index, self._quantized),
        )

    def sketch(self, index: int) -> _Sketches:
        """Give both variants' sketches of one clip."""
        assert isinstance(self._task, Draws)
        before = tuple(self._task.sketch_clip(index, self._floats))
        return before, tuple(self._task.sketch_clip(index, self._quantized))


_worker: _Worker | None = None


def _start_worker(job: _Job) -> None:
    global _worker  # the one value of a worker process: its open sessions
    _worker = _Worker(job)


def _in_worker(method: Callable[[_Worker, int], T], clip: int) -> T:
    assert _worker is not None
    return method(_worker, clip)


PARAMS = EvaluateParams
GIVES = Evaluation


def run(call: StageCall) -> Evaluation:
    """Run the stage for the pipeline."""
    assert call.task is not None
    floats, quantized = call.inputs["split"], call.inputs["quantize"]
    kind, params, workspace = call.task_kind, call.params, call.workspace
    return evaluate_task(floats, quantized, call.task, kind=kind, params=params, workspace=workspace)
