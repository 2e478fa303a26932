"""Run one layer in another form inside a network, and see how far the outputs move.

A task is some layers over all frames. It reads files and gives numbers, so that any process can run it, and
run it again where another one died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.align.metrics import Sums, cosine_distance
from deploykit.align.sums import difference_sums
from deploykit.artifacts.sensitivity import Measure
from deploykit.core.python_code import load_function
from deploykit.core.runtime import open_session, run_session

Array: TypeAlias = NDArray[Any]
Values: TypeAlias = Mapping[str, Array]

Metric: TypeAlias = Callable[[Values, Values], float]
"""Takes a frame's true outputs and the others, by name; gives an error from 0 up."""

PROBES = 2
"""Random directions a frame in which an estimate moves a layer's result."""

PROBE_FRAMES = 4
"""Frames on which an estimate looks at the rest of the network."""

PROBE_SIZE = 0.01
"""The noise of a probe over the size of the layer's result: about that of 8 bits."""


@dataclass(frozen=True)
class LayerFiles:
    """A layer's models: `variants` compute its results in other forms, `after` the outputs from there.

    `inputs` are fed to a variant, `results` are what it gives. `after` is empty where the results are
    the outputs. `after_inputs` are fed to it, the results among them.
    """

    layer: str
    results: tuple[str, ...]
    variants: tuple[tuple[str, Path], ...]
    inputs: tuple[tuple[str, ...], ...]
    after: Path | None
    after_inputs: tuple[str, ...]
    after_outputs: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Layers to measure. `base` gives all tensors that their models are fed, from a frame's inputs.

    `metric` is the user's function, looked for in `folder`. `frames` are files that hold a
    frame's inputs, state among them, and `references` its true outputs.
    """

    base: Path
    base_inputs: tuple[str, ...]
    taps: tuple[str, ...]
    layers: tuple[LayerFiles, ...]
    frames: tuple[Path, ...]
    references: tuple[Path, ...]
    outputs: tuple[str, ...]
    measure: Measure
    estimate: bool
    metric: str = ""
    folder: Path = Path()

    def sums(self) -> OutputSums:
        """Give new sums of the outputs' errors."""
        return OutputSums(self.outputs, load_metric(self.metric, self.folder) if self.metric else None)


Errors: TypeAlias = dict[tuple[str, str], float]
"""The error of (layer, variant)."""


def run_task(task: Task) -> Errors:
    """Measure a task's layers."""
    base = open_session(task.base, exact=False)
    runners = [_Runner(files, task) for files in task.layers]
    for number, (inputs, outputs) in enumerate(zip(task.frames, task.references, strict=True)):
        frame, reference = load(inputs), load(outputs)
        fed = {name: frame[name] for name in task.base_inputs}
        values = {**frame, **dict(zip(task.taps, run_session(base, fed, task.taps), strict=True))}
        for runner in runners:
            runner.frame(values, reference, number)
    return {(runner.files.layer, name): error for runner in runners for name, error in runner.errors()}


class _Runner:
    """One layer's open sessions and its sums so far."""

    def __init__(self, files: LayerFiles, task: Task) -> None:
        self.files = files
        self._task = task
        self._variants = [open_session(path, exact=False) for _, path in files.variants]
        self._after = open_session(files.after, exact=False) if files.after else None
        self._sums = {name: task.sums() for name, _ in files.variants}
        self._noise = {name: 0.0 for name, _ in files.variants}
        self._probes = task.sums()
        self._probe_noise = 0.0
        self._random = numpy.random.default_rng(0)

    def frame(self, values: Values, reference: Values, number: int) -> None:
        """Run all variants on one frame, the rest of the network after each."""
        results = self.files.results
        for (name, _), inputs, session in zip(
            self.files.variants, self.files.inputs, self._variants, strict=True
        ):
            given = run_session(session, {source: values[source] for source in inputs}, results)
            changed = dict(zip(results, given, strict=True))
            if self._task.estimate:
                self._noise[name] += sum(_power(changed[one] - values[one]) for one in results)
            else:
                self._sums[name].add(reference, self._outputs(values, changed, reference))
        if self._task.estimate and number < PROBE_FRAMES:
            for _ in range(PROBES):
                self._probe(values, reference)

    def _probe(self, values: Values, reference: Values) -> None:
        changed = {}
        for name in self.files.results:
            noise = self._random.standard_normal(values[name].shape, dtype=numpy.float32)
            size = PROBE_SIZE * float(numpy.sqrt(numpy.mean(numpy.square(values[name], dtype=numpy.float64))))
            changed[name] = values[name] + numpy.float32(size) * noise
            self._probe_noise += _power(changed[name] - values[name])
        self._probes.add(reference, self._outputs(values, changed, reference))

    def _outputs(self, values: Values, changed: Values, reference: Values) -> dict[str, Array]:
        """Give all outputs with the layer's results changed; those that it does not reach are the base's."""
        found = {name: values.get(name, reference[name]) for name in self._task.outputs}
        if self._after is not None:
            fed = {
                name: changed[name] if name in changed else values[name] for name in self.files.after_inputs
            }
            names = self.files.after_outputs
            found.update(zip(names, run_session(self._after, fed, names), strict=True))
        return {name: changed.get(name, value) for name, value in found.items()}

    def errors(self) -> Iterator[tuple[str, float]]:
        """Give each variant's error over all frames that were run."""
        if not self._task.estimate:
            yield from ((name, sums.error(self._task.measure)) for name, sums in self._sums.items())
            return
        frames = len(self._task.frames)
        probes = PROBES * min(PROBE_FRAMES, frames)
        moved = self._probes.error(self._task.measure)
        for name, noise in self._noise.items():
            own = self._probe_noise / probes
            yield name, moved * (noise / frames) / own if own else 0.0


class OutputSums:
    """The difference of outputs from true ones, summed over frames, each output for itself."""

    def __init__(self, outputs: Sequence[str], metric: Metric | None = None) -> None:
        self._sums = {name: Sums() for name in outputs}
        self._metric = metric
        self._values: list[float] = []

    def add(self, reference: Values, other: Values) -> None:
        """Add a frame."""
        if self._metric is not None:
            self._values.append(float(self._metric(reference, other)))
            return
        for name, sums in self._sums.items():
            found = difference_sums(reference[name], other[name], exact=False)
            self._sums[name] = sums.plus(found, sums.count)

    def error(self, measure: Measure) -> float:
        """Give the mean over the outputs; an output of zeros that stays zero has no error."""
        if self._metric is not None:
            return sum(self._values) / len(self._values)
        return sum(_error(sums, measure) for sums in self._sums.values()) / len(self._sums)


def load_metric(name: str, folder: Path) -> Metric:
    """Import the user's function. Raises InputError where there is none."""
    function: Metric = load_function(name, folder, "sensitivity.metric")
    return function


def _error(sums: Sums, measure: Measure) -> float:
    if sums.dd == 0.0:
        return 0.0
    if measure == "cosine":
        distance = cosine_distance(sums)
        return distance if distance == distance else 1.0  # one side is all zero
    return sums.dd / sums.aa if sums.aa else 1.0


def _power(values: Array) -> float:
    flat = values.reshape(-1).astype(numpy.float32, copy=False)
    return float(flat @ flat)


def load(path: Path) -> dict[str, Array]:
    """Read a file of arrays by name."""
    with numpy.load(path) as found:
        return {name: found[name] for name in found.files}
