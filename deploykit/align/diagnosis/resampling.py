"""Resizing gone another way: a shift by part of a pixel, or another convention of the same resize."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from deploykit.align.diagnosis.value_fits import variance
from deploykit.align.element_types import Array

PARTS = (-1.5, -1.0, -0.75, -0.5, -0.375, -0.25, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5)
FACTORS = (2, 3, 4, 8)
CONVENTIONS = ("nearest", "asymmetric", "half_pixel", "align_corners")
EXACT = 1e-3
"""Energy left where a tensor counts as the outcome of a resize."""

PLANES = 8
LARGEST = 192
"""Rows and columns of a plane that are looked at for parts of a pixel."""


@dataclass(frozen=True)
class Resampled:
    """What the board did: `words` say it, `loss` is left by undoing it."""

    words: str
    loss: float
    weight: float
    shift: tuple[float, float] = (0.0, 0.0)


def resamplings(x: Array, y: Array) -> list[Resampled]:
    """Try on some planes; x and y are (..., H, W), of the board and of the reference."""
    height, width = y.shape[-2:]
    if height < 8 or width < 8:
        return []
    x, y = x.reshape(-1, height, width), y.reshape(-1, height, width)
    busy = numpy.argsort(-y.reshape(len(y), -1).var(1), kind="stable")[:PLANES]
    x, y = (numpy.nan_to_num(planes[busy], posinf=0.0, neginf=0.0) for planes in (x, y))
    return [*_parts(x[:, :LARGEST, :LARGEST], y[:, :LARGEST, :LARGEST]), *_conventions(x, y)]


def _parts(x: Array, y: Array) -> Iterator[Resampled]:
    spread = variance(y[:, 2:-2, 2:-2])
    for down, right in itertools.product(PARTS, PARTS):
        if not (down == right or down == 0 or right == 0) or (down % 1 == 0 and right % 1 == 0):
            continue
        for words, source, target in (("board", y, x), ("reference", x, y)):
            moved = _moved(_moved(source, down, 1), right, 2)[:, 2:-2, 2:-2]
            loss = float(numpy.square(moved - target[:, 2:-2, 2:-2]).mean()) / spread
            sign = 1 if words == "board" else -1
            yield Resampled("shift", loss, 1.2, (sign * down, sign * right))


def _moved(planes: Array, part: float, axis: int) -> Array:
    """Read between pixels: index i gives planes[i + part], by a straight line; the ends repeat."""
    if part == 0:
        return planes
    length = planes.shape[axis]
    at = numpy.clip(numpy.arange(length) + part, 0, length - 1)
    low = numpy.floor(at).astype(int)
    high = numpy.minimum(low + 1, length - 1)
    share = (at - low).reshape([-1 if other == axis else 1 for other in range(planes.ndim)])
    return numpy.asarray(planes.take(low, axis=axis) * (1 - share) + planes.take(high, axis=axis) * share)


def _conventions(x: Array, y: Array) -> Iterator[Resampled]:
    """Where one side is the outcome of a resize, do that resize in the other ways and look at the other
    side."""
    height, width = y.shape[1:]
    spread = variance(y)
    for factor in FACTORS:
        if height % factor or width % factor or height // factor < 3 or width // factor < 3:
            continue
        ways = {way: (weights(height, factor, way), weights(width, factor, way)) for way in CONVENTIONS}
        for (name, source), target in zip((("reference", y), ("board", x)), (x, y), strict=True):
            for way, (rows, columns) in ways.items():
                small = numpy.linalg.pinv(rows) @ source @ numpy.linalg.pinv(columns).T
                left = float(numpy.square(rows @ small @ columns.T - source).mean()) / variance(source)
                if left > EXACT:
                    continue
                for other, (other_rows, other_columns) in ways.items():
                    if other == way:
                        continue
                    loss = float(numpy.square(other_rows @ small @ other_columns.T - target).mean()) / spread
                    board, reference = (other, way) if name == "reference" else (way, other)
                    yield Resampled(f"resize by {factor}: {board}, the reference {reference}", loss, 1.5)


def weights(length: int, factor: int, way: str) -> Array:
    """Give the matrix (length, length // factor) that enlarges a line; ways as in ONNX's Resize."""
    small = length // factor
    index = numpy.arange(length, dtype=numpy.float64)
    if way == "half_pixel":
        at = (index + 0.5) / factor - 0.5
    elif way == "align_corners":
        at = index * (small - 1) / (length - 1)
    else:
        at = index / factor
    at = numpy.clip(numpy.floor(at) if way == "nearest" else at, 0, small - 1)
    low = numpy.floor(at).astype(int)
    high = numpy.minimum(low + 1, small - 1)
    matrix = numpy.zeros((length, small))
    rows = numpy.arange(length)
    numpy.add.at(matrix, (rows, low), 1 - (at - low))
    numpy.add.at(matrix, (rows, high), at - low)
    return matrix
