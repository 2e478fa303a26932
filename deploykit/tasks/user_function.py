"""The user's own Python functions as data, and as a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from deploykit.core.errors import input_error
from deploykit.core.python_code import load_function
from deploykit.tasks.context import TaskContext
from deploykit.tasks.frames import checked_frame
from deploykit.tasks.protocol import Clip, Frame, MetricSpec, Network, Record

Split: TypeAlias = Literal["calibration", "validation"]
DataFunction: TypeAlias = Callable[[str, Split], Iterable[Frame | Sequence[Frame]]]
MetricFunction: TypeAlias = Callable[[int, Mapping[str, Sequence[Mapping[str, Any]]]], Mapping[str, float]]

FunctionName: TypeAlias = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]


@dataclass(frozen=True)
class FunctionTask:
    """Clips from a function of the user's, and optionally a metric.

    `data`: `function(network, split)` with split "calibration" or "validation" gives clips in a fixed order:
    each a frame ({input name: array}) or a sequence of frames. `metric`: `function(index, outputs)` gives
    {metric: number} for validation clip `index`; `outputs[network]` has one {output name: array} a frame. A
    run's figure is the mean over its clips. Modules are found as Python finds them, and beside the
    pipeline's YAML.
    """

    context: TaskContext
    data: FunctionName
    """"package.module:function" that gives clips."""
    metric: FunctionName | None = None
    """"package.module:function" that judges the outputs of one clip."""
    metrics: tuple[MetricSpec, ...] = ()
    """What `metric` gives, in the order in which people read it: name, unit, better, doc."""

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` clips of the user's function."""
        return self._clips(network, "calibration", count)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` unseen clips of the user's function."""
        return self._clips(network, "validation", count)

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        """Run clip `index` through every network on its own, and ask the user's metric."""
        if self.metric is None:
            return {}
        outputs = {name: self._outputs(name, network, index) for name, network in networks.items()}
        function: MetricFunction = load_function(self.metric, self.context.folder, "task.metric")
        values = function(index, outputs)
        wanted = {spec.name for spec in self.metrics}
        if set(values) != wanted:
            what = f"it gives {sorted(values)}, the pipeline lists {sorted(wanted)}"
            raise input_error(f"task.metric {self.metric}", what, "make `metrics:` and the function agree")
        return {name: float(value) for name, value in values.items()}

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Give the mean of every metric over the clips."""
        if self.metric is None:
            return {}
        return {
            spec.name: sum(record[spec.name] for record in records) / len(records) for spec in self.metrics
        }

    def _clips(self, network: str, split: Split, count: int) -> Iterator[Clip]:
        contracts = self.context.of(network)
        function: DataFunction = load_function(self.data, self.context.folder, "task.data")
        where = f"task.data {self.data} ({network}, {split})"
        index = -1
        for index, given in enumerate(islice(function(network, split), count)):
            frames = (given,) if isinstance(given, Mapping) else tuple(given)
            place = f"{where} clip {index}"
            yield Clip(f"{split} {index}", tuple(checked_frame(frame, contracts, place) for frame in frames))
        if index < 0:
            raise input_error(where, "the function gives no clip", "yield at least one")

    def _outputs(self, name: str, network: Network, index: int) -> list[Mapping[str, Any]]:
        clip = next(islice(self.validation_clips(name, index + 1), index, None), None)
        if clip is None:
            raise input_error(
                f"task.data {self.data} ({name}, validation)",
                f"the function gives no clip {index}",
                "lower evaluate.clips",
            )
        network.reset()
        return [network(frame) for frame in clip.frames]
