"""Find the readings and value fits that leave least of the difference for their weight.

First every geometry, element type and simple flip on a small sample; the best of them on a larger one,
with every
value fit; then each axis of the best is matched index by index. The score is log(loss) + a price a fault,
so that a
further fault has to halve what is left at least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from deploykit.align import element_types
from deploykit.align.contract import Contract, decode, encode
from deploykit.align.diagnosis import axis_orders
from deploykit.align.diagnosis.geometries import LEAST_SHARE, fitted_tail, geometries, width_of
from deploykit.align.diagnosis.reading import Order, Reading, addresses, gather, scaled
from deploykit.align.diagnosis.samples import Sample, draw
from deploykit.align.diagnosis.value_fits import ValueFit, fits
from deploykit.align.element_types import Array
from deploykit.core.errors import InputError

PRICE = 1.0
"""Natural logs of loss that one more fault has to win."""

FLOOR = 1e-8
"""Losses below are all the same: 80 dB."""

TYPES = {
    1: ("int8", "uint8", "float8e4m3fn", "float8e5m2"),
    2: ("float16", "bfloat16", "int16", "uint16"),
    4: ("float", "int32"),
    8: ("double", "int64"),
}
UNEXPLAINED = 0.1
"""A loss above which permuted channels are looked for in every simple reading."""

TAIL_WEIGHT = 0.5
"""Weighs bytes behind the tensor that nobody declared."""

SMALL, LARGE = 800, 4000
KEPT = 16
SIMPLE = 24
SURE = 3e-3
"""A loss on the small sample at which further element types are not looked at."""


@dataclass(frozen=True)
class Problem:
    """What is to be explained: a reference, the dump's bytes, and how they were declared to be read."""

    reference: Array
    buffer: Array
    declared: Contract


@dataclass(frozen=True)
class Hypothesis:
    """A reading and what was done to the values; `loss` is the energy left over the reference's variance."""

    reading: Reading
    fit: ValueFit
    loss: float
    score: float
    values: bytes = b""


def problem_of(reference: Array, board: Any, contract: Contract) -> Problem:
    """Bring both sides into one form: float64 axes, and bytes with a contract of at least 8 bits an
    element."""
    reference = reference.astype(numpy.float64)
    reference = numpy.where(numpy.abs(reference) < 1e300, reference, numpy.nan)
    if (isinstance(board, numpy.ndarray) and board.dtype != numpy.uint8) or element_types.bits(
        contract.dtype
    ) == 4:
        array = (
            board
            if isinstance(board, numpy.ndarray) and board.dtype != numpy.uint8
            else decode(board, contract)
        )
        if contract.scale and array.shape == contract.shape and element_types.bits(contract.dtype) >= 8:
            contract = replace(contract, tail_bytes=0)
            return Problem(reference, numpy.frombuffer(encode(array, contract), numpy.uint8), contract)
        names = {"float32": "float", "float64": "double", "bool": "bool"}
        plain = Contract(
            contract.shape, names.get(array.dtype.name, array.dtype.name), channel_axis=contract.channel_axis
        )
        return Problem(reference, numpy.frombuffer(array.tobytes(), numpy.uint8), plain)
    return Problem(reference, numpy.frombuffer(board, numpy.uint8), contract)


def search(problem: Problem) -> list[Hypothesis]:
    """Give the hypotheses, best first; no two give the same values."""
    sample = draw(problem.reference, problem.declared.channel_axis, LARGE)
    first, simple = _first_pass(problem)
    pool = _Pool(problem, sample)
    for reading in (*_declared(problem), *first):
        pool.add(reading)
    if pool.best(1)[0].loss > UNEXPLAINED:
        channel = problem.declared.channel_axis
        for reading in simple:  # the right one is not seen by its score where channels are permuted
            for order in _proposals(problem, reading, channel):
                pool.add(with_order(reading, order))
    for _ in range(2):
        starts = pool.best(5)
        if starts[0].loss < 1e-6:
            break
        for start in starts:
            if start.loss < 1e-6 or pool.matched(start.reading):
                continue
            for order in _proposals(problem, start.reading):
                if any(order.name == one.name and order.axis == one.axis for one in start.reading.orders):
                    continue
                pool.add(with_order(start.reading, order))
    return pool.best(1000)


class _Pool:
    """Hypotheses by the sampled values that they give: the lightest of those that give the same is kept."""

    def __init__(self, problem: Problem, sample: Sample) -> None:
        self._problem = problem
        self._sample = sample
        self._found: dict[bytes, list[Hypothesis]] = {}
        self._matched: set[bytes] = set()

    def add(self, reading: Reading) -> None:
        x = sampled(self._problem, reading, self._sample)
        key = x.tobytes()
        if key in self._found and self._found[key][0].reading.weight <= reading.weight:
            return
        self._found[key] = judged(self._problem, reading, x, self._sample.y)

    def matched(self, reading: Reading) -> bool:
        key = sampled(self._problem, reading, self._sample).tobytes()
        seen = key in self._matched
        self._matched.add(key)
        return seen

    def best(self, count: int) -> list[Hypothesis]:
        firsts = [min(found, key=lambda one: one.score) for found in self._found.values()]
        return sorted(firsts, key=lambda one: one.score)[:count]


def judged(
    problem: Problem, reading: Reading, x: Array, y: Array, functions: bool = False
) -> list[Hypothesis]:
    """Put every value fit on a reading, best first."""
    missing = float(numpy.isnan(x).mean())
    found = []
    for fit in fits(x, y, functions=functions):
        weight = reading.weight + fit_weight(problem.declared, reading.contract, fit)
        weight += TAIL_WEIGHT * has_tail(problem, reading)
        score = math.log(max(fit.loss, FLOOR)) + PRICE * weight + 2 * missing
        found.append(Hypothesis(reading, fit, fit.loss, score))
    return sorted(found, key=lambda one: one.score)


def has_tail(problem: Problem, reading: Reading) -> bool:
    """Say whether the reading leaves bytes unread that were not declared as a tail."""
    return fitted_tail(reading.contract, problem.buffer.size) not in (0, problem.declared.tail_bytes)


def fit_weight(declared: Contract, contract: Contract, fit: ValueFit) -> float:
    """Weigh a fit; codes of a type that was not declared need a scale anyway."""
    changed = element_types.is_integer(contract.dtype) and contract.dtype != declared.dtype
    free = {"affine": 1.5, "scale": 1.0, "offset": 1.0} if changed else {}
    return max(0.0, fit.weight - free.get(fit.name.split("+")[-1], 0.0) * 0.7)


def sampled(problem: Problem, reading: Reading, sample: Sample) -> Array:
    """Give the board's values at the sample's places; NaN where there are none."""
    contract = reading.contract
    where = addresses(reading.offsets, sample.places)
    values = gather(problem.buffer, where, contract.dtype, contract.endian)
    return scaled(values, contract, sample.channels)


def with_order(reading: Reading, order: Order) -> Reading:
    """Put one more order on a reading; it composes with one on the same axis."""
    earlier = {one.axis: one for one in reading.orders}
    before = earlier.get(order.axis)
    if before:
        indices = tuple(-1 if index < 0 else before.indices[index] for index in order.indices)
        order = Order(order.axis, indices, f"{before.name}, {order.name}")
    kept = tuple(one for one in reading.orders if one.axis != order.axis)
    return replace(
        reading,
        orders=(*kept, order),
        weight=reading.weight + axis_orders.WEIGHTS[order.name.split(", ")[-1]],
    )


def _declared(problem: Problem) -> Iterator[Reading]:
    bare = replace(problem.declared, tail_bytes=0)
    if width_of(bare):
        yield Reading(bare)


def _first_pass(problem: Problem) -> tuple[list[Reading], list[Reading]]:
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


def _proposals(problem: Problem, reading: Reading, only: int = -1) -> Iterator[Order]:
    """Match the indices of every axis (or `only` one) of the reference with those of the board."""
    shape = problem.reference.shape
    for axis, length in enumerate(shape):
        if not 1 < length <= axis_orders.LONGEST or only not in (-1, axis):
            continue
        places = axis_orders.lines(shape, axis)
        y = problem.reference[tuple(places)].astype(numpy.float64)
        contract = reading.contract
        values = gather(problem.buffer, addresses(reading.offsets, places), contract.dtype, contract.endian)
        x = scaled(values, contract, places[min(contract.channel_axis, len(shape) - 1)])
        yield from axis_orders.propose(axis, x, y)
