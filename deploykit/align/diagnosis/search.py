"""Find the readings and value fits that leave least of the difference for their weight.

First every geometry, element type and simple flip on a small sample; the best of them on a larger one, with
every value fit; then each axis of the best is matched index by index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy

from deploykit.align.diagnosis import axis_orders
from deploykit.align.diagnosis.axis_orders import with_order
from deploykit.align.diagnosis.first_pass import first_pass
from deploykit.align.diagnosis.geometries import width_of
from deploykit.align.diagnosis.hypotheses import Hypothesis, Problem, judged, sampled
from deploykit.align.diagnosis.reading import Order, Reading, addresses, gather, scaled
from deploykit.align.diagnosis.samples import Sample, draw

UNEXPLAINED = 0.1
"""A loss above which permuted channels are looked for in every simple reading."""

LARGE = 4000


def search(problem: Problem) -> list[Hypothesis]:
    """Give the hypotheses, best first; no two give the same values."""
    sample = draw(problem.reference, problem.declared.channel_axis, LARGE)
    first, simple = first_pass(problem)
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


def _declared(problem: Problem) -> Iterator[Reading]:
    bare = replace(problem.declared, tail_bytes=0)
    if width_of(bare):
        yield Reading(bare)


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
