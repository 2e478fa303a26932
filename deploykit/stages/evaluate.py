"""Measure the task's metrics, float and quantized."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
    records = list(_records(floats, quantized, task, params.clips, workspace))
    variants = [record[0] for record in records], [record[1] for record in records]
    values = [task.summarise(variant) for variant in variants]
    intervals = _intervals(task, variants, params)
    results = tuple(_result(spec, values[0], values[1], intervals) for spec in task.metrics)
    worst = _worst_clips(task, variants)[: params.sketches] if isinstance(task, Draws) else []
    job = _job(floats, quantized, task, workspace)
    sketches = tuple(_sketch(job, task.metrics[0], *clip) for clip in worst)
    return Evaluation(kind, len(records), results, tuple(_notices(intervals, params)), sketches)


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


def _sketch(job: _Job, spec: MetricSpec, clip: int, float_value: float, quantized_value: float) -> ClipSketch:
    before, after = _Worker(job).sketch(clip)
    return ClipSketch(clip, spec.name, float_value, quantized_value, before, after)


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


def _records(
    floats: Sequence[Partition], quantized: Sequence[Partition], task: Task, count: int, workspace: Workspace
) -> Iterator[_Pair]:
    """Give (float record, quantized record) of each clip, in order."""
    job = _job(floats, quantized, task, workspace)
    yield from workspace.track(_run(job, count, workspace.workers), "evaluating", count)


def _job(
    floats: Sequence[Partition], quantized: Sequence[Partition], task: Task, workspace: Workspace
) -> _Job:
    segments = [segment for partition in (*floats, *quantized) for segment in partition.segments]
    reader = _Folders({segment.files: workspace.folder(segment.files) for segment in segments})
    return _Job(tuple(floats), tuple(quantized), task, reader)


def _run(job: _Job, count: int, workers: int) -> Iterable[_Pair]:
    if workers <= 1 or count == 1:
        worker = _Worker(job)
        return (worker.run(index) for index in range(count))
    return _run_parallel(job, count, min(workers, count))


def _run_parallel(job: _Job, count: int, workers: int) -> Iterator[_Pair]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # "spawn": a forked child would inherit the locks of onnxruntime's threads in whatever state they are
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(job,)) as pool:
        yield from pool.map(_run_in_worker, range(count))


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

    def sketch(self, index: int) -> tuple[tuple[FrameSketch, ...], tuple[FrameSketch, ...]]:
        """Give both variants' sketches of one clip."""
        assert isinstance(self._task, Draws)
        before = tuple(self._task.sketch_clip(index, self._floats))
        return before, tuple(self._task.sketch_clip(index, self._quantized))


_worker: _Worker | None = None


def _start_worker(job: _Job) -> None:
    global _worker  # the one value of a worker process: its open sessions
    _worker = _Worker(job)


def _run_in_worker(index: int) -> _Pair:
    assert _worker is not None
    return _worker.run(index)


PARAMS = EvaluateParams
GIVES = Evaluation


def run(call: StageCall) -> Evaluation:
    """Run the stage for the pipeline."""
    assert call.task is not None
    floats, quantized = call.inputs["split"], call.inputs["quantize"]
    kind, params, workspace = call.task_kind, call.params, call.workspace
    return evaluate_task(floats, quantized, call.task, kind=kind, params=params, workspace=workspace)
