"""Proof that two forms of one network give the same results, in onnxruntime without any optimisation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.model import Equality, StatePair
from deploykit.core.dtypes import is_float, numpy_dtype
from deploykit.core.runtime import open_session, run_session
from deploykit.tasks.protocol import Array, Clip, Network


class WholeNetwork:
    """One ONNX file as a `Network`: exact, frame by frame, with its state pairs."""

    def __init__(
        self, file: Path, outputs: Sequence[str], state: Mapping[str, StatePair], zeros: Mapping[str, Array]
    ):
        self._name = file.name
        self._session = open_session(file)
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._outputs, self._pairs, self._zeros = tuple(outputs), tuple(state.values()), zeros
        self._state: dict[str, Array] = dict(zeros)

    def reset(self) -> None:
        """Forget the state."""
        self._state = dict(self._zeros)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one frame; inputs that the file does not have are ignored."""
        fed = {name: value for name, value in {**self._state, **inputs}.items() if name in self._inputs}
        results = run_session(self._session, fed, self._outputs, name=self._name)
        values = dict(zip(self._outputs, results, strict=True))
        self._state = {pair.input: values[pair.output] for pair in self._pairs}
        return values


Runs = list[list[dict[str, Array]]]
"""Outputs of each frame of each clip."""


def run_all(network: Network, clips: Sequence[Clip]) -> Runs:
    """Run all clips, each from a fresh state."""
    runs = []
    for clip in clips:
        network.reset()
        runs.append([network(frame) for frame in clip.frames])
    return runs


def first_frames(clips: Iterable[Clip], count: int) -> tuple[Clip, ...]:
    """Give clips with `count` frames in all, in order; the last one is cut short."""
    kept: list[Clip] = []
    for clip in clips:
        left = count - sum(len(taken.frames) for taken in kept)
        if left <= 0:
            break
        kept.append(Clip(clip.name, tuple(itertools.islice(clip.frames, left))))
    return tuple(kept)


def compare_runs(reference: Runs, other: Runs) -> Equality:
    """Compare all outputs of all frames: bits, and the largest difference with its place."""
    frames = [pair for a, b in zip(reference, other, strict=True) for pair in zip(a, b, strict=True)]
    worst, where, equal = 0.0, "", True
    for number, (left, right) in enumerate(frames):
        for name, expected in left.items():
            difference, index = _difference(expected, right[name])
            equal = equal and _same_bits(expected, right[name])
            if difference > worst or (difference != difference and not where):
                worst, where = difference, f"{name}[{index}] of frame {number}"
    return Equality(runs=len(frames), bit_equal=equal, max_abs=worst, where=where)


def _same_bits(left: Array, right: Array) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype == object:
        return bool((left == right).all())
    return left.tobytes() == right.tobytes()


def _difference(left: Array, right: Array) -> tuple[float, int]:
    """Give the largest difference and its flat index; infinite where shapes, types or NaN places differ."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return float("inf"), 0
    if left.size == 0 or _same_bits(left, right):
        return 0.0, 0
    if left.dtype == object:
        return float("inf"), int(numpy.argmax((left != right).reshape(-1)))
    a, b = left.astype(numpy.float64).reshape(-1), right.astype(numpy.float64).reshape(-1)
    with numpy.errstate(invalid="ignore"):
        gap = numpy.abs(a - b)
    gap[(a == b) | (numpy.isnan(a) & numpy.isnan(b))] = 0.0
    gap[numpy.isnan(gap)] = numpy.inf
    index = int(gap.argmax())
    return float(gap[index]), index


def largest_magnitude(runs: Runs) -> float:
    """Give the largest finite output value, for tolerances relative to it."""
    largest = 0.0
    for value in (value for frames in runs for frame in frames for value in frame.values()):
        if value.dtype == object or value.size == 0:
            continue
        magnitude = numpy.abs(value.astype(numpy.float64))
        largest = max(largest, float(magnitude[numpy.isfinite(magnitude)].max(initial=0.0)))
    return largest


def random_clips(
    graph: GraphInfo, state: Sequence[StatePair], frames: int, *, seed: int, free_size: int
) -> tuple[Clip, ...]:
    """Make one clip of seeded random data for a graph's inputs; free sizes become `free_size`."""
    generator = numpy.random.default_rng(seed)
    fed = {pair.input for pair in state}
    tensors = [graph.tensor[name] for name in graph.inputs if name not in fed]
    made = (
        {tensor.name: random_tensor(tensor, generator, free_size) for tensor in tensors}
        for _ in range(frames)
    )
    return (Clip("random", tuple(made)),)


def random_tensor(tensor: TensorInfo, generator: numpy.random.Generator, free_size: int) -> Array:
    """Give random values of a tensor's type: normal floats, integers of 0 to 3, coins for bools."""
    shape = sized(tensor, free_size)
    dtype: numpy.dtype[Any] = numpy_dtype(tensor.dtype if tensor.dtype != "undefined" else "float")
    if is_float(tensor.dtype) or tensor.dtype in ("undefined", "complex64", "complex128"):
        return numpy.asarray(generator.standard_normal(shape)).astype(dtype)
    if tensor.dtype == "bool":
        return numpy.asarray(generator.integers(0, 2, shape)).astype(dtype)
    if tensor.dtype == "string":
        return numpy.full(shape, "a", dtype=object)
    return numpy.asarray(generator.integers(0, 2 if tensor.dtype.endswith("int2") else 4, shape)).astype(
        dtype
    )


def sized(tensor: TensorInfo, free_size: int) -> tuple[int, ...]:
    """Give a tensor's shape with `free_size` for every size that is no number."""
    return tuple(size if isinstance(size, int) else free_size for size in tensor.shape or ())


def zero_state(graph: GraphInfo, state: Sequence[StatePair], free_size: int) -> dict[str, Array]:
    """Give the first state: zeros."""
    tensors = (graph.tensor[pair.input] for pair in state)
    return {
        tensor.name: numpy.zeros(sized(tensor, free_size), numpy_dtype(tensor.dtype)) for tensor in tensors
    }
