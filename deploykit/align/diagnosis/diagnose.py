"""Name why a board's tensor differs from the reference, from the two dumps alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy

from deploykit.align.contract import Contract, byte_count
from deploykit.align.diagnosis.explanations import Explanation, declared_part, explanations
from deploykit.align.diagnosis.hypotheses import Problem, gain_drifts, problem_of
from deploykit.align.diagnosis.reading import Reading
from deploykit.align.diagnosis.result import Cause, Context, Diagnosis, Verdict
from deploykit.align.diagnosis.value_fits import variance
from deploykit.align.element_types import Array

ACCEPTED = 0.12
"""The most energy, over the reference's variance, that a named cause may leave (9 dB)."""

NOISE = 0.3
"""The most that counts as noise where no cause is found (5 dB)."""

MATCH = 1e-12
MARGIN = math.log(2)
"""The lead in score over the runner-up below which both are named."""


def diagnose(
    reference: Array, board: Any, contract: Contract, *, context: Context | None = None
) -> Diagnosis:
    """Name the causes of a difference.

    `reference` has the shape of `contract`, which says how `board` (bytes, or an array that was already read)
    was declared to be read.

    Raises:
        ValueError: the reference has another shape than the contract, or is empty.
    """
    context = context or Context()
    if reference.shape != contract.shape or reference.size == 0:
        raise ValueError(f"the reference is {list(reference.shape)}, the contract {list(contract.shape)}")
    problem = problem_of(reference, board, contract)
    if problem.buffer.size == 0:
        return Diagnosis("no explanation", (), (), 0.0, 0.0, 0.0, -math.inf)
    as_read = Reading(replace(problem.declared, tail_bytes=0)).values(declared_part(problem))
    with numpy.errstate(invalid="ignore"):  # infinities on both sides
        error = numpy.square(as_read - problem.reference)
    finite = numpy.isfinite(error)
    before = float(error[finite].mean()) / variance(problem.reference) if finite.any() else math.inf
    right_size = problem.buffer.size == byte_count(problem.declared)
    if before <= MATCH and finite.all() and right_size:
        return Diagnosis("match", (), (), 1.0, 1.0, 1.0, math.inf)
    found = sorted(explanations(problem, as_read, context), key=lambda one: one.score)
    return _verdict(problem, found, before, bool(finite.all()))


def _verdict(problem: Problem, found: list[Explanation], before: float, finite: bool) -> Diagnosis:
    best = found[0]
    for one in found[1:]:
        nearly = one.score - found[0].score < MARGIN and (one.loss <= ACCEPTED or best.loss > ACCEPTED)
        if nearly and _contains(best, one) and not _contains(one, best):
            best = one  # the simpler of two that hold the same
    sqnr = _sqnr(problem, before)
    others = [one for one in found if not _contains(one, best) and one.loss <= ACCEPTED]
    second = others[0] if others else None
    explained = max(0.0, 1 - best.loss / before) if math.isfinite(before) and before > 0 else 1 - best.loss
    margin = (second.score - best.score) if second else 5.0
    confidence = max(0.0, min(1.0, explained)) * (1 - math.exp(-max(0.0, margin)))
    r = math.sqrt(max(0.0, 1 - best.loss))
    runner_up = second.causes if second else ()
    verdict: Verdict
    if not best.causes:
        verdict = "noise" if best.loss <= NOISE and not gain_drifts(problem) else "no explanation"
        return Diagnosis(verdict, (), runner_up, 0.0, r, 0.0, sqnr)
    if best.loss > ACCEPTED:
        plain = before <= NOISE and finite and not gain_drifts(problem)
        verdict = "noise" if plain else "no explanation"
        return Diagnosis(verdict, (), best.causes, 0.0, r, 0.0, sqnr)
    verdict = "ambiguous" if second and second.causes and margin < MARGIN else "named"
    return Diagnosis(verdict, best.causes, runner_up, explained, r, confidence, sqnr, best.repair)


def _contains(other: Explanation, best: Explanation) -> bool:
    """Say whether an explanation only adds to the best one, or is a more general form of it."""
    if [cause.kind for cause in other.causes] == ["reordered"]:
        return all(cause.kind in _PLACES for cause in best.causes)
    if _same_but_missing(best, other):
        return True
    whole = [part for cause in other.causes for part in _covered(cause)]
    return all(_covered(cause)[-1] in whole for cause in best.causes)


_PLACES = (
    "reordered",
    "layout",
    "transpose",
    "channel_block",
    "channel_order",
    "flip",
    "batch",
    "index_order",
    "shift",
    "letterbox",
)


def _same_but_missing(best: Explanation, other: Explanation) -> bool:
    """Say whether the other is the best one without some of the places: a shift beside a roll."""
    if best.repair is None or other.repair is None:
        return False
    if [cause.kind for cause in best.causes] != [cause.kind for cause in other.causes]:
        return False
    ours, theirs = best.repair.reading.orders, other.repair.reading.orders
    if best.repair.reading.contract != other.repair.reading.contract or len(ours) != len(theirs):
        return False
    return bool(ours) and all(
        left.axis == right.axis
        and all(there in (here, -1) for here, there in zip(left.indices, right.indices, strict=True))
        for left, right in zip(ours, theirs, strict=True)
    )


_GENERAL = {
    "affine": ("scale", "offset"),
    "affine_channel": ("scale", "offset", "affine", "scale_channel", "offset_channel"),
    "scale_channel": ("scale",),
    "offset_channel": ("offset",),
    "fp16_overflow": ("saturation",),
}
_BY_FIX = (
    "layout",
    "channel_block",
    "row_pitch",
    "channel_pitch",
    "crop",
    "channel_order",
    "wrong_frame",
    "endian",
)


def _covered(cause: Cause) -> tuple[str, ...]:
    """Give the kinds that a cause stands for, its own last; with its lines where another value is another
    cause."""
    own = f"{cause.kind} {cause.fix}" if cause.kind in _BY_FIX else cause.kind
    return (*_GENERAL.get(cause.kind, ()), own)


def _sqnr(problem: Problem, before: float) -> float:
    reference = problem.reference[numpy.isfinite(problem.reference)]
    energy = before * variance(problem.reference)
    power = float(numpy.square(reference).mean()) if reference.size else 0.0
    if not math.isfinite(energy) or energy <= 0 or power <= 0:
        return -math.inf
    return 10 * math.log10(power / energy)
