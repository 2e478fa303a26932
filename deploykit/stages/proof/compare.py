"""Run two forms of one network on the same data and compare all outputs of all frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Equality, StatePair
from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.stages.proof.data import first_frames, random_clips, with_random
from deploykit.stages.proof.networks import open_model
from deploykit.tasks.protocol import Array, Clip, Network

Runs = list[list[dict[str, Array]]]
"""Outputs of each frame of each clip."""


def run_all(network: Network, clips: Sequence[Clip]) -> Runs:
    """Run all clips, each from a fresh state."""
    runs = []
    for clip in clips:
        network.reset()
        runs.append([network(frame) for frame in clip.frames])
    return runs


FREE_SIZES = (2, 1, 4, 32, 64)
"""Tried in this order for sizes that stay free, where there are no clips."""


@dataclass(frozen=True)
class ProofPlan:
    """How much is run: `frames` in all, state carried along `state`, random data from `seed`."""

    frames: int
    seed: int
    state: tuple[StatePair, ...]


@dataclass(frozen=True)
class Recorded:
    """What the source gave on `clips`.

    `free_size` stands for the sizes that are still free; `random` says that the clips are no data of the
    user's.
    """

    plan: ProofPlan
    clips: tuple[Clip, ...]
    runs: Runs
    free_size: int
    random: bool

    def accepts(self, equality: Equality, tolerance: float) -> bool:
        """Say whether a difference is within `tolerance`, relative to the largest output (at least 1)."""
        return equality.max_abs <= tolerance * max(1.0, largest_magnitude(self.runs))


class NotRunnable(Exception):
    """The network does not run on random data; the text says why. No fault of the user's."""


def record(
    network: Network, graph: GraphInfo, clips: Iterable[Clip], plan: ProofPlan, invented: Sequence[str] = ()
) -> Recorded:
    """Run the source on the clips, or on random data where there are none.

    `invented` are inputs that no clip can give (`foreign.cut_foreign`); they get random data in any case.

    Raises:
        InputError: the clips do not feed the network.
        NotRunnable: it does not run on random data either.
    """
    given = first_frames(clips, plan.frames)
    if given:
        given = with_random(given, [graph.tensor[name] for name in invented], plan.seed)
        _check_given(given, set(graph.inputs) - {pair.input for pair in plan.state})
        return Recorded(plan, given, run_all(network, given), 1, random=False)
    static = all(isinstance(size, int) for name in graph.inputs for size in graph.tensor[name].shape or ())
    reasons = []
    for free_size in FREE_SIZES[: 1 if static else None]:
        made = random_clips(graph, plan.state, plan.frames, seed=plan.seed, free_size=free_size)
        try:
            return Recorded(plan, made, run_all(network, made), free_size, random=True)
        except InputError as error:
            reasons.append(str(error))
    raise NotRunnable(reasons[0])


def _check_given(clips: Sequence[Clip], needed: set[str]) -> None:
    frames = [(clip.name, frame) for clip in clips for frame in clip.frames]
    missing = {(name, clip) for clip, frame in frames for name in needed - set(frame)}
    if missing:
        raise InputError(
            *(
                Fault(f"input {name!r}", f"clip {clip!r} gives no data for it")
                for name, clip in sorted(missing)
            )
        )


def measure(model: OnnxModel, recorded: Recorded, scratch: Path, label: str) -> Equality:
    """Run a form of the network on the source's data and compare all outputs."""
    network = open_model(model, scratch, label, recorded.plan.state, recorded.free_size)
    return compare_runs(recorded.runs, run_all(network, recorded.clips))


def compare_runs(reference: Runs, other: Runs) -> Equality:
    """Compare all outputs of all frames: bits, and the largest difference with its place."""
    frames = [pair for a, b in zip(reference, other, strict=True) for pair in zip(a, b, strict=True)]
    worst, where, equal = 0.0, "", True
    for number, (left, right) in enumerate(frames):
        given = dict(_tensors(right))
        for name, expected in _tensors(left):
            if name not in given:  # what a foreign operator reads may have become a weight
                continue
            difference, index = _difference(expected, given[name])
            equal = equal and _same_bits(expected, given[name])
            if difference > worst or (difference != difference and not where):
                worst, where = difference, f"{name}[{index}] of frame {number}"
    return Equality(runs=len(frames), bit_equal=equal, max_abs=worst, where=where)


def _tensors(frame: Mapping[str, Array | list[Array]]) -> Iterator[tuple[str, Array]]:
    """Give a frame's outputs as tensors; a sequence gives one for each of its elements."""
    for name, value in frame.items():
        if isinstance(value, list):
            yield f"{name} (length)", numpy.asarray(len(value))
            yield from ((f"{name} ({at})", element) for at, element in enumerate(value))
        else:
            yield name, value


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
    for _, value in (pair for frames in runs for frame in frames for pair in _tensors(frame)):
        if value.dtype == object or value.size == 0:
            continue
        magnitude = numpy.abs(value.astype(numpy.float64))
        largest = max(largest, float(magnitude[numpy.isfinite(magnitude)].max(initial=0.0)))
    return largest
