"""What is drawn of a tensor on both sides: maps, histograms, a cloud of points; small for any tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy

from deploykit.align.element_types import Array
from deploykit.align.tensors import Box, Tensor, pairs

MAP_ROWS, MAP_COLUMNS = 96, 160
BINS = 64
POINTS = 1500
CHANNELS = 4096
"""A tensor with more channels has no bars: they would not be seen."""


@dataclass(frozen=True)
class Maps:
    """One plane of a tensor: means over cells of `rows` x `columns`, row by row.

    A cell without a finite value has None. `index` is the plane's place among the leading axes, `height` and
    `width` its size.
    """

    index: tuple[int, ...]
    height: int
    width: int
    rows: int
    columns: int
    reference: tuple[float | None, ...]
    board: tuple[float | None, ...]
    difference: tuple[float | None, ...]


@dataclass(frozen=True)
class Histogram:
    """Counts of both sides over the same bins; `edges` has one more."""

    edges: tuple[float, ...]
    reference: tuple[int, ...]
    board: tuple[int, ...]


@dataclass(frozen=True)
class Samples:
    """Places by flat index, and the values of both sides there."""

    index: tuple[int, ...]
    reference: tuple[float, ...]
    board: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """One tensor in one frame.

    `samples` are evenly spaced places that are finite on both sides: flat indices, and the values there; with
    `is_line` they show the whole of a tensor that has no plane. `channel_sqnr_db` may hold infinities: equal
    channels.
    """

    name: str
    frame: int
    maps: Maps | None
    histogram: Histogram | None
    samples: Samples
    is_line: bool
    channel_sqnr_db: tuple[float, ...]


def picture_of(name: str, frame: int, reference: Tensor, board: Tensor, *, channel_axis: int) -> Picture:
    """Take a tensor's picture in two passes over it, block by block."""
    low, high, signal, noise = _survey(reference, board, channel_axis)
    shape = reference.shape
    plane = len(shape) >= 2 and min(shape[-2:]) > 1
    step = -(-math.prod(shape) // POINTS)
    if step > 1 and step % 2 == 0:
        step += 1  # an even step would stay in a few columns of an even width
    return Picture(
        name,
        frame,
        _maps(reference, board, _worst_plane(reference, board)) if plane else None,
        _histogram(reference, board, low, high) if low < high else None,
        _samples(reference, board, step),
        not plane,
        _channel_sqnr_db(signal, noise),
    )


def _survey(reference: Tensor, board: Tensor, axis: int) -> tuple[float, float, Array, Array]:
    """Give the range of both sides' finite values, and signal and noise by channel."""
    rank = len(reference.shape)
    channels = reference.shape[axis] if axis < rank and reference.shape[axis] <= CHANNELS else 0
    signal, noise = numpy.zeros(channels), numpy.zeros(channels)
    others = tuple(other for other in range(rank) if other != axis)
    low, high = math.inf, -math.inf
    for _, box, x, y in pairs(reference, board):
        a, b, finite = _finite(x, y)
        if finite.any():
            low = min(low, float(a[finite].min()), float(b[finite].min()))
            high = max(high, float(a[finite].max()), float(b[finite].max()))
        if channels:
            signal[box[axis]] += (a * a).sum(axis=others)
            noise[box[axis]] += ((b - a) ** 2).sum(axis=others)
    return low, high, signal, noise


def _channel_sqnr_db(signal: Array, noise: Array) -> tuple[float, ...]:
    with numpy.errstate(divide="ignore", invalid="ignore"):
        found = 10 * numpy.log10(signal / noise)
    found = numpy.where(noise == 0, math.inf, found)
    return tuple(float(value) for value in found)


def _finite(x: Array, y: Array) -> tuple[Array, Array, Array]:
    a, b = x.astype(numpy.float64), y.astype(numpy.float64)
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    return numpy.where(finite, a, 0.0), numpy.where(finite, b, 0.0), finite


def _worst_plane(reference: Tensor, board: Tensor) -> tuple[int, ...]:
    """Find the plane of the last two axes with the most noise; NaN and infinity count as the most."""
    lead = reference.shape[:-2]
    noise = numpy.zeros(lead)
    for _, box, x, y in pairs(reference, board):
        a, b, finite = _finite(x, y)
        sums = ((b - a) ** 2).sum(axis=(-2, -1))
        noise[box[:-2]] += numpy.where(finite.all(axis=(-2, -1)), sums, math.inf)
    return tuple(int(at) for at in numpy.unravel_index(int(noise.argmax()), lead)) if lead else ()


def _maps(reference: Tensor, board: Tensor, index: tuple[int, ...]) -> Maps:
    height, width = reference.shape[-2:]
    box: Box = (*(slice(at, at + 1) for at in index), slice(0, height), slice(0, width))
    a, b = (side.take(box).astype(numpy.float64).reshape(height, width) for side in (reference, board))
    rows, columns = min(height, MAP_ROWS), min(width, MAP_COLUMNS)
    with numpy.errstate(invalid="ignore"):
        difference = b - a
    return Maps(
        index,
        height,
        width,
        rows,
        columns,
        *(_cells(values, rows, columns) for values in (a, b, difference)),
    )


def _cells(values: Array, rows: int, columns: int) -> tuple[float | None, ...]:
    """Average over cells; what is not finite is left out."""
    finite = numpy.isfinite(values)
    edges = [
        numpy.arange(count) * size // count for count, size in zip((rows, columns), values.shape, strict=True)
    ]

    def total(of: Array) -> Array:
        return numpy.asarray(
            numpy.add.reduceat(numpy.add.reduceat(of, edges[0], axis=0), edges[1], axis=1), numpy.float64
        )

    sums, counts = total(numpy.where(finite, values, 0.0)), total(finite.astype(numpy.float64))
    return tuple(
        float(f"{value / count:.5g}") if count else None
        for value, count in zip(sums.reshape(-1).tolist(), counts.reshape(-1).tolist(), strict=True)
    )


def _histogram(reference: Tensor, board: Tensor, low: float, high: float) -> Histogram:
    counts = numpy.zeros((2, BINS), numpy.int64)
    for _, _, x, y in pairs(reference, board):
        for side, values in enumerate((x, y)):
            kept = values[numpy.isfinite(values)]
            counts[side] += numpy.histogram(kept, bins=BINS, range=(low, high))[0]
    edges = tuple(float(f"{edge:.5g}") for edge in numpy.linspace(low, high, BINS + 1))
    return Histogram(edges, tuple(counts[0].tolist()), tuple(counts[1].tolist()))


def _samples(reference: Tensor, board: Tensor, step: int) -> Samples:
    index: list[int] = []
    values: tuple[list[float], list[float]] = ([], [])
    for start, _, x, y in pairs(reference, board):
        first = -start % step
        a, b = (side.reshape(-1)[first::step].astype(numpy.float64) for side in (x, y))
        finite = numpy.isfinite(a) & numpy.isfinite(b)
        index += (start + first + step * numpy.flatnonzero(finite)).tolist()
        for side, found in zip(values, (a, b), strict=True):
            side += [float(f"{value:.5g}") for value in found[finite].tolist()]
    return Samples(tuple(index), tuple(values[0]), tuple(values[1]))
