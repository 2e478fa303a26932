"""Cases of the diagnosis: faults put into a tensor, and pairs that have no cause."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy

from benchmarks.diagnosis_faults import Array, Board, Fault, Random, clean
from deploykit.align.contract import Contract, encode
from deploykit.align.diagnosis import Context


@dataclass(frozen=True)
class Case:
    """A reference, the board's bytes, how they are declared, and which kinds of cause are right (each
    entry one
    cause, in any of its names)."""

    fault: str
    reference: Array
    board: bytes
    declared: Contract
    expected: tuple[frozenset[str], ...]
    context: Context = field(default_factory=Context)
    fixable: bool = True


def made(fault: str, faults: tuple[Fault, ...], reference: Array, random: Random) -> Case | None:
    """Make a case; None where a fault cannot be or changes nothing."""
    board: Board | None = clean(reference, random)
    for one in faults:
        assert board is not None
        board = one(board, random)
        if board is None:
            return None
    assert board is not None
    dump = encode(board.values, board.stored)
    if not _visible(board, dump):
        return None
    return Case(fault, board.reference, dump, board.declared, board.expected, board.context, board.fixable)


def _visible(board: Board, dump: bytes) -> bool:
    return dump != encode(board.reference, board.declared)


def unrelated(found: list[tuple[str, Array]], count: int, random: Random) -> Iterator[Case]:
    """Pairs without a cause: unrelated values, the rounding of 4 and 8 bits and of float16, noise, drift."""
    for index in range(count):
        reference = found[index % len(found)][1]
        other = found[(index * 7 + 3) % len(found)][1]
        values, expected = _without_cause(index % 8, reference, other, random)
        contract = Contract(reference.shape)
        dump = encode(values.astype(numpy.float32), contract)
        if reference.size >= 64 and not numpy.array_equal(values.astype(numpy.float32), reference):
            yield Case(expected, reference, dump, contract, ())


def _without_cause(kind: int, reference: Array, other: Array, random: Random) -> tuple[Array, str]:
    spread = float(reference.std())
    if kind == 0:
        share = random.uniform(0.02, 0.5)
        return reference + share * spread * random.normal(size=reference.shape), "noise"
    if kind == 1:
        step = float(numpy.ptp(reference)) / random.choice([63, 127, 255])
        return numpy.rint(reference / step) * step, "noise"
    if kind == 2:
        return random.normal(size=reference.shape) * spread + reference.mean(), "no explanation"
    if kind == 3:
        return numpy.resize(other, reference.shape), "no explanation"
    if kind == 4:
        share = random.uniform(0.05, 0.3)
        return reference * (1 + share * random.normal(size=reference.shape)), "noise"
    if kind == 5:
        return reference.astype(numpy.float16), "noise"
    if kind == 6:  # 4-bit codes, one scale a channel
        axes = tuple(axis for axis in range(reference.ndim) if axis != 1)
        low, high = reference.min(axes, keepdims=True), reference.max(axes, keepdims=True)
        step = numpy.where(high > low, (high - low) / 15, 1)
        return numpy.rint((reference - low) / step) * step + low, "noise"
    # Drift: the error of each value builds on the last. No offset a channel, which would be a cause.
    lines = reference.reshape(math.prod(reference.shape[:2]), -1)
    walk = numpy.cumsum(random.normal(size=lines.shape), axis=1)
    walk -= walk.mean(1, keepdims=True)
    walk *= random.uniform(0.05, 0.3) * spread / max(1e-30, float(walk.std()))
    return (lines + walk).reshape(reference.shape), "noise"
