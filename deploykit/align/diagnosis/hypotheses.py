"""What is to be explained, and how well a reading with a value fit does that.

The score is log(loss) + a price a fault, so that a further fault has to halve what is left at least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy

from deploykit.align import element_types
from deploykit.align.contract import Contract, byte_count, decode, encode
from deploykit.align.diagnosis.geometries import fitted_tail
from deploykit.align.diagnosis.reading import Reading, addresses, gather, scaled
from deploykit.align.diagnosis.samples import Sample
from deploykit.align.diagnosis.value_fits import ValueFit, fits
from deploykit.align.element_types import Array

PRICE = 1.0
"""Natural logs of loss that one more fault has to win."""

FLOOR = 1e-8
"""Losses below are all the same: 80 dB."""

TAIL_WEIGHT = 0.5
"""Weighs bytes behind the tensor that nobody declared."""


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


def judged(
    problem: Problem, reading: Reading, x: Array, y: Array, functions: bool = False
) -> list[Hypothesis]:
    """Put every value fit on a reading, best first."""
    missing = float(numpy.isnan(x).mean())
    before = reading.weight + TAIL_WEIGHT * has_tail(problem, reading)
    found = []
    for fit in fits(x, y, functions=functions):
        weight = before + fit_weight(problem.declared, reading.contract, fit)
        score = math.log(max(fit.loss, FLOOR)) + PRICE * weight + 2 * missing
        found.append(Hypothesis(reading, fit, fit.loss, score))
    return sorted(found, key=lambda one: one.score)


def has_tail(problem: Problem, reading: Reading) -> bool:
    """Say whether the reading leaves bytes unread that were not declared as a tail."""
    return fitted_tail(reading.contract, problem.buffer.size) not in (0, problem.declared.tail_bytes)


def gain_drifts(problem: Problem) -> bool:
    """Say whether a gain for each index of one axis removes most of the error: then it is no noise."""
    declared = replace(problem.declared, tail_bytes=0)
    x = Reading(declared).values(problem.buffer[: byte_count(declared)])
    y = problem.reference
    seen = numpy.isfinite(x) & numpy.isfinite(y)
    x, y = numpy.where(seen, x, 0.0), numpy.where(seen, y, 0.0)
    before = float(numpy.square(x - y).sum())
    for axis, length in enumerate(y.shape):
        if not 2 < length <= y.size // 8:
            continue
        others = tuple(other for other in range(y.ndim) if other != axis)
        power = numpy.square(x).sum(others)
        match = (x * y).sum(others)
        left = numpy.square(y).sum(others) - match**2 / numpy.where(power > 0, power, 1.0)
        if float(left.sum()) < math.exp(-PRICE) * before:
            return True
    return False


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
