"""Elements of the reference that stand for all of it: a grid of channels by places."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy

from deploykit.align.element_types import Array

CHANNELS = 24


@dataclass(frozen=True)
class Sample:
    """`places` are index tuples, shape (axes, channels, count); `y` the reference there; `channels` a
    column."""

    places: Array
    y: Array
    channels: Array


def draw(reference: Array, channel_axis: int, count: int) -> Sample:
    """Take about `count` elements, the same ones each time.

    Half are drawn evenly. Half are the most unlike their channel's median among four times as many, so
    that the
    few elements of a sparse map that say something are there.
    """
    random = numpy.random.default_rng(12345)
    rank = reference.ndim
    axis = channel_axis if 0 <= channel_axis < rank else 0
    length = reference.shape[axis]
    others = tuple(size for index, size in enumerate(reference.shape) if index != axis)
    total = math.prod(others)
    most = max(CHANNELS, count // total)
    chosen = numpy.sort(random.permutation(length)[:most]) if length > most else numpy.arange(length)
    each = max(8, count // len(chosen))
    rows, values = [], []
    for channel in chosen:
        row = numpy.moveaxis(reference, axis, 0)[channel]
        index = numpy.arange(total) if total <= each else random.integers(0, total, each // 2)
        picked = _coordinates(index, others)
        if total > each:
            more = _coordinates(random.integers(0, total, 4 * (each - each // 2)), others)
            seen = row[more].astype(numpy.float64)
            unlike = numpy.abs(numpy.nan_to_num(seen, posinf=0, neginf=0) - numpy.nanmedian(seen))
            best = numpy.argsort(-unlike, kind="stable")[: each - each // 2]
            picked = tuple(
                numpy.concatenate([left, right[best]]) for left, right in zip(picked, more, strict=True)
            )
        rows.append(
            numpy.stack(
                [*picked[:axis], numpy.full(len(picked[0]) if picked else 1, channel), *picked[axis:]]
            )
        )
        values.append(row[picked].reshape(-1).astype(numpy.float64))
    return Sample(numpy.stack(rows, axis=1), numpy.stack(values), chosen[:, None])


def _coordinates(index: Array, shape: tuple[int, ...]) -> tuple[Array, ...]:
    return tuple(numpy.unravel_index(index, shape)) if shape else ()
