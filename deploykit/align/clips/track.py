"""One tensor over the frames of clips: a sample of each frame's values, and distances between frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy

from deploykit.align.element_types import Array
from deploykit.align.tensors import Tensor

POINTS = 4096
"""Values of a frame that are looked at. Frames that differ only outside of them count as equal."""


@dataclass(frozen=True)
class Track:
    """Samples of one tensor, one row a frame; both sides at the same places.

    Row i of `board` carries the same frame number as row `own[i]` of `reference`; `numbers` are the
    reference's frame numbers, ascending. `starts` are the rows of `reference` at which clips begin.
    """

    name: str
    reference: Array
    board: Array
    own: Array
    numbers: tuple[int, ...]
    starts: tuple[int, ...] = (0,)

    @cached_property
    def distance(self) -> Array:
        """|board(t) - reference(s)|^2 over the sampled places, (board rows, reference rows)."""
        return _squares(self.board, self.reference)

    @cached_property
    def motion(self) -> Array:
        """|reference(t) - reference(s)|^2."""
        return _squares(self.reference, self.reference)

    @cached_property
    def size(self) -> float:
        """The mean |reference|^2 of a frame."""
        return float((self.reference**2).sum(axis=1).mean())

    @cached_property
    def content(self) -> Array:
        """|board(t)|^2, or beside the reference's mean frame where that is less."""
        beside = self.board - self.reference.mean(axis=0)
        return numpy.asarray(numpy.minimum((self.board**2).sum(axis=1), (beside**2).sum(axis=1)))

    @cached_property
    def error(self) -> Array:
        """|board - reference| of each board row over the root mean square of |reference| over all frames;
        frames without content have no large error that way."""
        own = self.distance[numpy.arange(len(self.own)), self.own]
        return numpy.sqrt(own / self.size) if self.size else numpy.zeros(len(self.own))

    def clip_of(self, row: int) -> int:
        """Give the clip that a reference row lies in."""
        return sum(start <= row for start in self.starts) - 1

    def clips(self) -> list[range]:
        """Give each clip's rows of `reference`."""
        stops = (*self.starts[1:], len(self.numbers))
        return [range(start, stop) for start, stop in zip(self.starts, stops, strict=True)]


def make_track(
    name: str,
    reference: Mapping[int, Tensor],
    board: Mapping[int, Tensor],
    *,
    starts: Sequence[int] = (0,),
) -> Track | None:
    """Sample two sides, frame number -> tensor; None where they share fewer than four frames."""
    numbers = tuple(sorted(reference))
    common = [number for number in numbers if number in board]
    if len(common) < 4:
        return None
    shape = reference[numbers[0]].shape
    places = places_in(shape)
    row = {number: at for at, number in enumerate(numbers)}
    ours = sample([reference[number] for number in numbers], places)
    theirs = sample([board[number] for number in common], places)
    own = numpy.array([row[number] for number in common])
    return Track(name, *_finite(ours, theirs, own), own, numbers, tuple(starts))


def sample(frames: Sequence[Tensor], places: tuple[Array, ...]) -> Array:
    """Give the values at some places of each frame, (frames, places) in float64."""
    found = numpy.empty((len(frames), len(places[0]) if places else 1))
    for row, tensor in enumerate(frames):
        found[row] = tensor.points(places)
        tensor.forget()
    return found


def places_in(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Choose places, one in each of POINTS equal parts: a fixed step would always meet the same columns."""
    size = math.prod(shape)
    if size <= POINTS:
        flat = numpy.arange(size)
    else:
        edges = numpy.linspace(0, size, POINTS + 1)
        within = numpy.random.default_rng(0).random(POINTS)
        flat = (edges[:-1] + within * numpy.diff(edges)).astype(numpy.int64)
    return tuple(numpy.unravel_index(flat, shape)) if shape else ()


def _finite(ours: Array, theirs: Array, own: Array) -> tuple[Array, Array]:
    """Take out what is NaN or infinite: places in the reference, single values in the board's."""
    kept = numpy.isfinite(ours).all(axis=0)
    ours, theirs = ours[:, kept], theirs[:, kept]
    return ours, numpy.where(numpy.isfinite(theirs), theirs, ours[own])


def _squares(a: Array, b: Array) -> Array:
    """Give |a_i - b_j|^2 of all rows; the mean is taken out first, which keeps digits."""
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    return numpy.asarray(numpy.maximum(squares, 0.0))
