"""Try every geometry, element type and simple flip on a small sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy

from deploykit.align import element_types
from deploykit.align.contract import Contract
from deploykit.align.diagnosis.axis_orders import with_order
from deploykit.align.diagnosis.geometries import LEAST_SHARE, fitted_tail, geometries, width_of
from deploykit.align.diagnosis.hypotheses import PRICE, Problem
from deploykit.align.diagnosis.reading import Order, Reading, addresses, gather, scaled
from deploykit.align.diagnosis.samples import Sample, draw
from deploykit.align.element_types import Array
from deploykit.core.errors import InputError

TYPES = {
    1: ("int8", "uint8", "float8e4m3fn", "float8e5m2"),
    2: ("float16", "bfloat16", "int16", "uint16"),
    4: ("float", "int32"),
    8: ("double", "int64"),
}
SMALL = 800
KEPT = 16
SIMPLE = 24
SURE = 3e-3
"""A loss on the small sample at which further element types are not looked at."""


def first_pass(problem: Problem) -> tuple[list[Reading], list[Reading]]:
    """Score all geometries and types on the small sample; gives the best, and the simple ones whatever
    they score."""
    declared, size = problem.declared, problem.buffer.size
    sample = draw(problem.reference, declared.channel_axis, SMALL)
    scored: list[_Scored] = []
    simple: list[Reading] = []
    per_element = size / problem.reference.size
    widths = sorted(TYPES, key=lambda one: (one != width_of(declared), abs(math.log(per_element / one))))
    for width in widths:
        least = width * problem.reference.size * LEAST_SHARE
        bare = width * problem.reference.size
        other = width != width_of(declared)
        if size < least or (other and not 0.95 * bare <= size <= 40 * bare):
            continue
        if other and scored and min(one.loss for one in scored) < SURE:
            continue
        found = geometries(declared, width, size)
        if other and size >= 2 * bare:
            found = [one for one in found if one.weight <= 1 and fitted_tail(one.contract, size) == 0]
        for dtype, endian in _types(declared, width):
            if any(one.loss < SURE and one.kind == (declared.dtype, declared.endian) for one in scored):
                break
            typed = dtype == declared.dtype and endian == declared.endian
            usable = [one for one in found if typed or one.weight <= 1.5]
            ways = _flips(problem.reference.shape, declared.channel_axis)
            for flips in ways if typed or (not other or size < 2 * bare) else ways[:1]:
                scored += _scores(problem, usable, (dtype, endian), flips, sample)
        if not other:
            simple = [_typed(one, declared, declared.dtype, declared.endian) for one in _simple(found, size)]
    scored.sort(key=lambda one: one.score)
    return [one.made(declared) for one in scored[:KEPT]] + simple[:8], simple


def _simple(found: list[Reading], size: int) -> list[Reading]:
    """Give the readings with one fault that leave no byte over, those without blocks first."""
    whole = [one for one in found if one.weight <= 1 and fitted_tail(one.contract, size) == 0]
    whole.sort(key=lambda one: bool(one.contract.channel_block or one.contract.tile))
    return whole[:SIMPLE]


def _types(declared: Contract, width: int) -> Iterator[tuple[str, str]]:
    names = dict.fromkeys((declared.dtype, *TYPES[width]) if width_of(declared) == width else TYPES[width])
    for name in names:
        yield name, declared.endian
        if width > 1:
            yield name, "little" if declared.endian == "big" else "big"


def _flips(shape: tuple[int, ...], channel: int) -> list[tuple[Order, ...]]:
    reverse = {
        axis: Order(axis, tuple(range(size - 1, -1, -1)), "reversed")
        for axis, size in enumerate(shape)
        if size > 1
    }
    rank = len(shape)
    wanted: list[tuple[int, ...]] = [(), (rank - 1,), (rank - 2,), (rank - 2, rank - 1), (channel,)]
    kept = [axes for axes in dict.fromkeys(wanted) if all(axis in reverse for axis in axes)]
    return [tuple(reverse[axis] for axis in axes) for axes in kept]


@dataclass(frozen=True)
class _Scored:
    """A geometry with an element type and flips, and how well it does on the small sample."""

    score: float
    loss: float
    geometry: Reading
    kind: tuple[str, str]
    flips: tuple[Order, ...]

    def made(self, declared: Contract) -> Reading:
        """Give the reading."""
        reading = _typed(self.geometry, declared, *self.kind)
        for flip in self.flips:
            reading = with_order(reading, flip)
        return reading


def _scores(
    problem: Problem,
    readings: Sequence[Reading],
    kind: tuple[str, str],
    flips: tuple[Order, ...],
    sample: Sample,
) -> list[_Scored]:
    if not readings:
        return []
    places = sample.places.copy()
    for flip in flips:
        places[flip.axis] = problem.reference.shape[flip.axis] - 1 - places[flip.axis]
    where = numpy.stack([addresses(reading.offsets, places) for reading in readings])
    values = gather(problem.buffer, where, *kind)
    declared = problem.declared
    if declared.scale and element_types.is_integer(kind[0]):
        values = scaled(values, declared, sample.channels)
    losses, missing = _quick_losses(values, sample.y)
    extra = (kind[0] != declared.dtype) + (kind[1] != declared.endian)
    found = []
    for reading, loss, share in zip(readings, losses, missing, strict=True):
        score = (
            math.log(max(float(loss), 1e-6))
            + PRICE * (reading.weight + extra + len(flips))
            + 2 * float(share)
        )
        found.append(_Scored(score, float(loss), reading, kind, flips))
    found.sort(key=lambda one: one.score)
    return found[:KEPT]


def _quick_losses(values: Array, y: Array) -> tuple[Array, Array]:
    """Give 1 - r^2 (over all, or within channels where that is less) and the missing share of each
    candidate."""
    seen = numpy.isfinite(values) & numpy.isfinite(y)
    x = numpy.where(seen, values, 0.0)
    reference = numpy.where(seen, y, 0.0)
    overall = _left(x, reference, seen, (1, 2))
    within = _left(x, reference, seen, (2,))
    return numpy.minimum(overall, within + 0.02), 1 - seen.mean((1, 2))


def _left(x: Array, y: Array, seen: Array, axes: tuple[int, ...]) -> Array:
    n = numpy.maximum(seen.sum(axes, keepdims=True), 1)
    x = (x - x.sum(axes, keepdims=True) / n) * seen
    y = (y - y.sum(axes, keepdims=True) / n) * seen
    xx, yy, xy = (x * x).sum(axes), (y * y).sum(axes), (x * y).sum(axes)
    explained = numpy.where(xx > 1e-12, xy * xy / numpy.maximum(xx, 1e-300), 0.0)
    left, total = yy - explained, yy
    if left.ndim > 1:
        count = seen.sum((1, 2))
        groups = left.shape[1]
        left, total = left.sum(1), total.sum(1)
        left = left * (count - groups) / numpy.maximum(1, count - 2 * groups)
    return numpy.where(total > 0, left / numpy.maximum(total, 1e-300), 1.0)


def _typed(reading: Reading, declared: Contract, dtype: str, endian: str) -> Reading:
    scale = declared.scale if element_types.is_integer(dtype) else ()
    zero = declared.zero_point if scale else ()
    extra = float(dtype != declared.dtype) + float(endian != declared.endian)
    try:
        contract = replace(reading.contract, dtype=dtype, endian=endian, scale=scale, zero_point=zero)
    except InputError:  # a scale a channel does not fit a permuted shape
        contract = replace(reading.contract, dtype=dtype, endian=endian)
    return replace(reading, contract=contract, weight=reading.weight + extra)
