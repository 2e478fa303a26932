"""Match the slices of the board along one axis with those of the reference: reversed, shifted, rolled,
permuted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy

from deploykit.align.diagnosis.reading import Order, Reading
from deploykit.align.element_types import Array

LONGEST = 1024
PLACES = 400
PLANES = 4
FARTHEST = 64
ROUNDS = 64
ALIKE = 1e-7
"""A correlation from which two slices count as alike at all."""

WEIGHTS = {"reversed": 1.0, "shifted": 1.2, "rolled": 1.2, "permuted": 2.0}
"""How much each order weighs beside a plain fault."""


def lines(shape: tuple[int, ...], axis: int) -> Array:
    """Give index tuples (axes, length of the axis, places): the same places in every slice."""
    random = numpy.random.default_rng(54321)
    others = tuple(size for index, size in enumerate(shape) if index != axis)
    total = math.prod(others)
    index = numpy.arange(total) if total <= PLACES else random.integers(0, total, PLACES)
    along = numpy.arange(shape[axis])[:, None]
    rest = iter(numpy.unravel_index(index, others) if others else ())
    columns = [along if position == axis else next(rest)[None, :] for position in range(len(shape))]
    return numpy.stack(
        numpy.broadcast_arrays(*columns, numpy.zeros((1, max(1, len(index))), int))[: len(shape)]
    )


def propose(axis: int, x: Array, y: Array) -> Iterator[Order]:
    """Give the orders worth a try; x and y are (length, places), of the board and of the reference."""
    length = len(y)
    match = _correlations(y, x)
    yield Order(axis, tuple(range(length - 1, -1, -1)), "reversed")
    steps = [step for step in range(-min(FARTHEST, length // 2), min(FARTHEST, length // 2) + 1) if step]
    if length > 2:
        mean = [float(numpy.trace(match, step)) / (length - abs(step)) for step in steps]
        for place in numpy.argsort(mean)[::-1][:2]:
            step = steps[int(place)]
            moved = tuple(index + step if 0 <= index + step < length else -1 for index in range(length))
            yield Order(axis, moved, "shifted")
    if length > 2:
        index = numpy.arange(length)
        rolls = numpy.take_along_axis(match, (index[:, None] + index) % length, axis=1).mean(0)
        step = 1 + int(numpy.argmax(rolls[1:]))
        yield Order(axis, tuple((index + step) % length for index in range(length)), "rolled")
    greedy = _assignment(match)
    if greedy != tuple(range(length)):
        yield Order(axis, greedy, "permuted")


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
        weight=reading.weight + WEIGHTS[order.name.split(", ")[-1]],
    )


def plane_shifts(x: Array, y: Array) -> Iterator[tuple[Order, ...]]:
    """Give shifts of the last two axes together: peaks of the cross-correlation of the busiest planes."""
    rank = y.ndim
    height, width = y.shape[-2:]
    if height < 4 or width < 4:
        return
    x, y = x.reshape(-1, height, width), y.reshape(-1, height, width)
    busy = numpy.argsort(-numpy.nan_to_num(y.reshape(len(y), -1).var(1)), kind="stable")[:PLANES]
    left, right = (numpy.fft.rfft2(_centred(planes[busy])) for planes in (y, x))
    product = right * left.conj()
    seen = set()
    for spectrum in (
        product,
        product / (numpy.abs(product) + 1e-9 * float(numpy.abs(product).max()) + 1e-300),
    ):
        peaks = numpy.fft.irfft2(spectrum, s=(height, width)).sum(0)
        for flat in numpy.argsort(peaks, axis=None)[::-1][:2]:
            down, across = (int(place) for place in numpy.unravel_index(int(flat), peaks.shape))
            seen.add(
                (
                    down - height if down > height // 2 else down,
                    across - width if across > width // 2 else across,
                )
            )
    for down, across in seen - {(0, 0)}:
        for name in ("shifted", "rolled"):
            steps = ((rank - 2, down, height), (rank - 1, across, width))
            yield tuple(_step(axis, step, length, name) for axis, step, length in steps if step)


def _centred(planes: Array) -> Array:
    planes = numpy.nan_to_num(planes, posinf=0.0, neginf=0.0)
    return numpy.asarray(planes - planes.mean((1, 2), keepdims=True))


def _step(axis: int, step: int, length: int, name: str) -> Order:
    if name == "rolled":
        return Order(axis, tuple((index + step) % length for index in range(length)), name)
    return Order(
        axis, tuple(index + step if 0 <= index + step < length else -1 for index in range(length)), name
    )


def _correlations(y: Array, x: Array) -> Array:
    """Correlate every slice of the reference with every slice of the board; 0 where one is constant."""

    def unit(values: Array) -> Array:
        values = numpy.nan_to_num(values, posinf=0.0, neginf=0.0)
        values = values - values.mean(1, keepdims=True)
        size = numpy.sqrt(numpy.square(values).sum(1, keepdims=True))
        return values / numpy.where(size > 0, size, 1.0)

    found: Array = unit(y) @ unit(x).T
    return found


def _assignment(match: Array) -> tuple[int, ...]:
    """Assign slices to slices: those that fit each other best first; the order that was there breaks ties."""
    length = len(match)
    match = match + 1e-6 * numpy.eye(length)
    found = numpy.full(length, -1)
    rows, columns = numpy.arange(length), numpy.arange(length)
    for _ in range(ROUNDS):  # pairs that are each other's best are what a greedy choice takes, too
        left = match[numpy.ix_(rows, columns)]
        best = left.argmax(1)
        mutual = left.argmax(0)[best] == numpy.arange(len(rows))
        mutual &= left[numpy.arange(len(rows)), best] > ALIKE
        if not mutual.any():
            break
        found[rows[mutual]] = columns[best[mutual]]
        rows, columns = rows[~mutual], numpy.delete(columns, best[mutual])
        if not len(rows):
            break
    same = numpy.intersect1d(rows, columns)  # nothing is like these: they stay where they are
    found[same] = same
    found[numpy.setdiff1d(rows, same)] = numpy.setdiff1d(columns, same)
    return tuple(found.tolist())
