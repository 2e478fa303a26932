"""A task's metrics before and after, on a network that was made a little worse."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
import pytest

from deploykit.artifacts.evaluation import Evaluation, FrameSketch
from deploykit.artifacts.model import Partition
from deploykit.core.errors import Fault, InputError
from deploykit.stages import evaluate
from deploykit.stages.evaluate import EvaluateParams, evaluate_task
from deploykit.tasks.protocol import Clip, MetricSpec, Network, Record
from deploykit.toolchains.reference import ReferenceNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stages.conftest import Bench


@dataclass(frozen=True)
class Level:
    """Measures the mean output over clips of rising level; `rare` exists on the last clip alone."""

    metrics: tuple[MetricSpec, ...] = (
        MetricSpec("level", "V", "higher", "The mean output."),
        MetricSpec("rare", "", "lower", "Defined on the last clip only."),
    )

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        yield from self.validation_clips(network, count)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        for index in range(count):
            yield Clip(str(index), ({"x": numpy.full((1, 2), float(index), numpy.float32)},))

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        network = networks["net"]
        network.reset()
        (clip,) = list(self.validation_clips("net", index + 1))[index:]
        return {"level": float(network(clip.frames[0])["y"].mean()), "index": index}

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        rare = [record["level"] for record in records if record["index"] == 5]
        mean = sum(record["level"] for record in records) / len(records)
        return {"level": mean, "rare": rare[0] if rare else math.nan}


def scaled(bench: Bench, factor: float) -> Partition:
    text = "g (float[1,2] x) => (float[1,2] y) { y = Mul (x, factor) }"
    return bench.whole(bench.model(text, factor=numpy.array(factor, numpy.float32)))


def evaluated(bench: Bench, *, task: Level | None = None, seed: int = 0) -> Evaluation:
    params = EvaluateParams(clips=6, resamples=200, seed=seed)
    floats, quantized = [scaled(bench, 2.0)], [scaled(bench, 1.5)]
    return evaluate_task(
        floats, quantized, task or Level(), kind="level", params=params, workspace=bench.workspace
    )


def test_values_and_intervals_of_both_variants(bench: Bench) -> None:
    found = evaluated(bench)
    level, _ = found.metrics
    assert (found.task, found.clips) == ("level", 6)
    assert (level.name, level.unit, level.better) == ("level", "V", "higher")
    assert (level.float_value, level.quantized_value, level.difference) == (5.0, 3.75, -1.25)
    assert level.float_low < 5.0 < level.float_high
    assert level.difference_low == pytest.approx(
        -0.25 * level.float_high
    )  # paired: it is a quarter of the level
    assert level.difference_high == pytest.approx(-0.25 * level.float_low)


def test_a_metric_that_is_undefined_on_some_resamples_is_said(bench: Bench) -> None:
    found = evaluated(bench)
    rare = found.metrics[1]
    assert (rare.float_value, rare.quantized_value, rare.difference_low) == (10.0, 7.5, -2.5)
    (notice,) = found.notices
    assert notice.startswith("rare is undefined on ")
    count = int(notice.split()[4])
    assert count == pytest.approx(200 * (5 / 6) ** 6, abs=30)


def test_the_seed_decides_the_intervals(bench: Bench) -> None:
    assert evaluated(bench) == evaluated(bench)
    assert evaluated(bench).metrics[0].float_low != evaluated(bench, seed=1).metrics[0].float_low


class Drawn(Level):
    """The same data, with a caption a frame."""

    def sketch_clip(self, index: int, networks: Mapping[str, Network]) -> list[FrameSketch]:
        return [FrameSketch(2, 1, (), f"{self.evaluate_clip(index, networks)['level']:g} V")]


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(make_bench: Callable[[int], Bench]) -> None:
    alone = evaluated(make_bench(1), task=Drawn())
    assert len(alone.sketches) == 2
    assert alone == evaluated(make_bench(2), task=Drawn())


@pytest.mark.parametrize("workers", [1, 3])
def test_sessions_are_opened_once(
    make_bench: Callable[[int], Bench], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    class Threads(ThreadPoolExecutor):
        def __init__(self, count: int, context: object, *, initializer: Any, initargs: Any) -> None:
            pools.append(count)
            super().__init__(1, initializer=initializer, initargs=initargs)

    opened: list[str] = []

    def network(partition: Partition, reader: Any) -> ReferenceNetwork:
        opened.append(partition.network)
        return ReferenceNetwork(partition, reader)

    monkeypatch.setattr(futures, "ProcessPoolExecutor", Threads)
    monkeypatch.setattr(evaluate, "ReferenceNetwork", network)
    monkeypatch.setattr(evaluate, "_worker", None)  # so that it is taken back
    assert len(evaluated(make_bench(workers), task=Drawn()).sketches) == 2
    assert opened == ["net", "net"]  # float and quantized
    assert pools == ([] if workers == 1 else [3])


def test_the_clips_that_suffer_most_are_drawn_twice(bench: Bench) -> None:
    params = EvaluateParams(clips=4, resamples=10, sketches=2)
    floats, quantized = [scaled(bench, 2.0)], [scaled(bench, 1.5)]
    found = evaluate_task(
        floats, quantized, Drawn(), kind="level", params=params, workspace=bench.workspace
    ).sketches
    assert [(sketch.clip, sketch.metric, sketch.float_value) for sketch in found] == [
        (3, "level", 6.0),
        (2, "level", 4.0),
    ]
    assert (found[0].float_frames[0].caption, found[0].quantized_frames[0].caption) == ("6 V", "4.5 V")


class Long(Drawn):
    """Clips of 300 frames."""

    def sketch_clip(self, index: int, networks: Mapping[str, Network]) -> list[FrameSketch]:
        return [FrameSketch(2, 1, (), str(frame)) for frame in range(300)]


def test_a_long_clip_is_drawn_in_part(bench: Bench) -> None:
    params = EvaluateParams(clips=1, resamples=10, sketches=1)
    networks = [scaled(bench, 2.0)]
    (found,) = evaluate_task(
        networks, networks, Long(), kind="level", params=params, workspace=bench.workspace
    ).sketches
    captions = [
        "0",
        "27",
        "54",
        "81",
        "108",
        "135",
        "163",
        "190",
        "217",
        "244",
        "271",
        "299",
    ]  # 299/11 = 27.2
    assert [frame.caption for frame in found.float_frames] == captions
    assert [frame.caption for frame in found.quantized_frames] == captions
    assert found.frame_count == 300


def test_what_is_better_lower_suffers_where_it_rises(bench: Bench) -> None:
    task = Drawn(metrics=(MetricSpec("level", "V", "lower", "The mean output."),))
    params = EvaluateParams(clips=3, resamples=10, sketches=1)
    floats, quantized = [scaled(bench, 1.0)], [scaled(bench, 2.0)]
    found = evaluate_task(
        floats, quantized, task, kind="level", params=params, workspace=bench.workspace
    ).sketches
    assert [(sketch.clip, sketch.quantized_value) for sketch in found] == [(2, 4.0)]


def test_data_without_labels_gives_no_metrics(bench: Bench) -> None:
    network = scaled(bench, 2.0)
    found = evaluate_task(
        [network], [network], Unlabelled(), kind="level", params=EvaluateParams(), workspace=bench.workspace
    )
    assert (found.clips, found.metrics) == (0, ())
    assert found.notices == ("the data has no labels: nothing to measure",)


class Unlabelled(Level):
    """The same data without metrics."""

    def __init__(self) -> None:
        object.__setattr__(self, "metrics", ())


def test_no_clips_is_an_error(bench: Bench) -> None:
    network = scaled(bench, 2.0)
    params = EvaluateParams(clips=0, resamples=0, sketches=-1)
    with pytest.raises(InputError) as error:
        evaluate_task([network], [network], Level(), kind="level", params=params, workspace=bench.workspace)
    assert [fault.where for fault in error.value.faults] == [
        "evaluate.clips",
        "evaluate.resamples",
        "evaluate.sketches",
    ]


def test_an_input_error_of_a_worker_keeps_its_faults() -> None:
    error = InputError(Fault("here", "wrong", "mend it"), Fault("there", "wrong too"))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.faults, str(copy)) == (error.faults, str(error))
