"""What could explain a difference: readings with value fits, defects, resizes, other frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy

from deploykit.align.contract import byte_count
from deploykit.align.diagnosis import axis_orders, defects, resampling
from deploykit.align.diagnosis.causes import causes_of
from deploykit.align.diagnosis.hypotheses import (
    FLOOR,
    PRICE,
    TAIL_WEIGHT,
    Hypothesis,
    Problem,
    fit_weight,
    has_tail,
    judged,
    problem_of,
    sampled,
)
from deploykit.align.diagnosis.reading import Reading, missing_bytes
from deploykit.align.diagnosis.result import Cause, Context, Repair
from deploykit.align.diagnosis.samples import draw
from deploykit.align.diagnosis.search import LARGE, search
from deploykit.align.diagnosis.value_fits import FUNCTIONS, ValueFit, fits
from deploykit.align.element_types import Array

MOST = 120_000
"""Elements on which value fits are judged at the end."""


@dataclass(frozen=True)
class Explanation:
    """A set of causes with its score: log of the loss, and a price a cause."""

    causes: tuple[Cause, ...]
    loss: float
    score: float
    repair: Repair | None


def declared_part(problem: Problem) -> Array:
    size = byte_count(replace(problem.declared, tail_bytes=0))
    return problem.buffer[:size]


def explanations(problem: Problem, as_read: Array, context: Context) -> Iterator[Explanation]:
    yield from _of_context(problem, as_read, context)
    still = defects.constant(as_read, problem.declared.channel_axis)
    if still and float(numpy.nanmax(problem.reference)) > float(numpy.nanmin(problem.reference)):
        lost = "the input did not arrive, or nothing was written"
        words = (
            f"one value a channel: the output is its bias, {lost}"
            if still == "one value a channel"
            else f"{still}: {lost}"
        )
        yield Explanation((Cause("constant", words),), 0.0, math.log(FLOOR), None)
        return
    hypotheses = search(problem)
    best = hypotheses[:4]
    if len(as_read.shape) >= 2 and best and best[0].loss > 1e-6:
        best = _with_shifts(problem, best)
    readings = {
        id(one.reading): one.reading
        for one in (
            *best,
            Hypothesis(Reading(replace(problem.declared, tail_bytes=0)), ValueFit("identity", 1, 0), 1, 0),
        )
    }
    ranked = list(readings.values())
    for rank, reading in enumerate(ranked):
        yield from _of_reading(problem, reading, first=rank == 0, last=rank == len(ranked) - 1)


def _with_shifts(problem: Problem, best: list[Hypothesis]) -> list[Hypothesis]:
    """Add readings that are shifted in both of the last axes, as a correlation of whole planes says."""
    sample = draw(problem.reference, problem.declared.channel_axis, LARGE)
    added = list(best)
    for one in best[:2]:
        if one.reading.orders:
            continue
        values = one.reading.values(_cut(problem, one.reading))
        for orders in axis_orders.plane_shifts(values, problem.reference):
            reading = one.reading
            for order in orders:
                reading = axis_orders.with_order(reading, order)
            if len(orders) == 2:
                reading = replace(reading, weight=reading.weight - 0.7)
            x = sampled(problem, reading, sample)
            added.append(judged(problem, reading, x, sample.y)[0])
    return sorted(added, key=lambda one: one.score)[:5]


def _cut(problem: Problem, reading: Reading) -> Array:
    return problem.buffer[: byte_count(reading.contract)]


def _of_reading(problem: Problem, reading: Reading, *, first: bool, last: bool) -> Iterator[Explanation]:
    values = reading.values(_cut(problem, reading))
    x, y = _columns(problem, values)
    missing = float(numpy.isnan(x).mean())
    whole = missing_bytes(reading.contract, problem.buffer.size) <= 0 and not reading.orders
    broken = defects.nonfinite(values, problem.reference) if whole else None
    extra = [Cause(broken.kind, broken.words, _ADVICE[broken.kind])] if broken else []
    weight_before = reading.weight + TAIL_WEIGHT * has_tail(problem, reading)
    several = fits(x, y, functions=first or last)
    scored = []
    for fit in several:
        weight = (
            weight_before + fit_weight(problem.declared, reading.contract, fit) + (1.0 if broken else 0.0)
        )
        score = math.log(max(fit.loss, FLOOR)) + PRICE * weight + (0.0 if broken else 2 * missing)
        scored.append((score, weight, fit))
    scored.sort(key=lambda one: one[0])
    for score, _, fit in scored[:3]:
        named, repair = _named(problem, reading, fit)
        yield Explanation((*named, *extra), fit.loss, score, repair)
    score, weight, fit = scored[0]
    if fit.loss > 1e-6 and (first or last or not reading.orders):
        yield from _of_defects(problem, reading, values, (x, y), several, extra)
    if fit.loss > 1e-4 and (first or (last and fit.loss > 0.01)):
        yield from _of_resampling(problem, reading, values, several)


_ADVICE = {
    "fp16_overflow": ("precision: {exceptions: [{scheme: float}]}",),
    "nan": (),
}


def _named(problem: Problem, reading: Reading, fit: ValueFit) -> tuple[tuple[Cause, ...], Repair]:
    shifted = [
        order for order in reading.orders if order.name in ("shifted", "rolled") or "shifted" in order.name
    ]
    letterbox = bool(shifted) and _has_border(problem.reference)
    return causes_of(problem.declared, reading, fit, problem.buffer.size, letterbox)


def _has_border(reference: Array) -> bool:
    """Say whether the picture has rows or columns of one value at an end, as a letterbox has."""
    if reference.ndim < 3:
        return False
    planes = reference.reshape(-1, *reference.shape[-2:])
    busy = float(numpy.ptp(planes, axis=(1, 2)).max())
    edges = (planes[:, :2], planes[:, -2:], planes[:, :, :2], planes[:, :, -2:])
    return busy > 0 and any(float(numpy.ptp(edge, axis=(1, 2)).max()) < 1e-3 * busy for edge in edges)


def _columns(problem: Problem, values: Array) -> tuple[Array, Array]:
    """Give (channels, places) of board and reference; places are drawn where there are many."""
    axis = problem.declared.channel_axis if 0 <= problem.declared.channel_axis < values.ndim else 0
    channels = values.shape[axis]
    x = numpy.moveaxis(values, axis, 0).reshape(channels, -1)
    y = numpy.moveaxis(problem.reference, axis, 0).reshape(channels, -1)
    most = max(64, MOST // channels)
    if x.shape[1] > most:
        places = numpy.random.default_rng(7).integers(0, x.shape[1], most)
        x, y = x[:, places], y[:, places]
    return x, y


def _fitted(values: Array, fit: ValueFit, channel_axis: int) -> Array:
    name = fit.name.split("+")[-1]
    if name.startswith("missing "):
        return FUNCTIONS[name[8:]](values)
    shape = [-1 if axis == channel_axis else 1 for axis in range(values.ndim)]
    gain, offset = numpy.asarray(fit.gain), numpy.asarray(fit.offset)
    gain = gain.reshape(shape) if gain.size > 1 else gain.reshape(())
    offset = offset.reshape(shape) if offset.size > 1 else offset.reshape(())
    return numpy.asarray(values * gain + offset)


def _of_defects(
    problem: Problem,
    reading: Reading,
    values: Array,
    columns: tuple[Array, Array],
    several: list[ValueFit],
    extra: list[Cause],
) -> Iterator[Explanation]:
    axis = problem.declared.channel_axis
    x, y = columns
    by_name = {fit.name: fit for fit in several}
    for name in ("identity", "affine"):
        if name not in by_name:
            continue
        fit = _robust(x, y) if name == "affine" else by_name[name]
        part = defects.wrong_part(_fitted(values, fit, axis), problem.reference, axis)
        if part:
            named, repair = _named(problem, reading, fit)
            weight = reading.weight + fit_weight(problem.declared, reading.contract, fit) + part.weight
            cause = Cause(part.kind, part.words)
            yield Explanation(
                (*named, cause, *extra), part.loss, math.log(max(part.loss, FLOOR)) + PRICE * weight, repair
            )
    if defects.same_values(values, problem.reference) and not reading.weight:
        words = "the same values in another order (flattened or reshaped in another layout)"
        yield Explanation((Cause("reordered", words),), 0.0, math.log(1e-3) + PRICE * 3, None)


def _robust(x: Array, y: Array) -> ValueFit:
    """Fit a line to the part that agrees: three rounds, each without the half that fits worst."""
    x, y = x.reshape(-1), y.reshape(-1)
    keep = numpy.isfinite(x) & numpy.isfinite(y)
    x, y = x[keep], y[keep]
    gain, offset = 1.0, 0.0
    for _ in range(3):
        if x.size < 8 or float(x.var()) == 0:
            break
        gain, offset = (float(value) for value in numpy.polyfit(x, y, 1))
        error = numpy.abs(gain * x + offset - y)
        best = error <= numpy.median(error)
        x, y = x[best], y[best]
    return ValueFit("affine", math.nan, 1.5, (gain,), (offset,))


def _of_resampling(
    problem: Problem, reading: Reading, values: Array, several: list[ValueFit]
) -> Iterator[Explanation]:
    if values.ndim < 3:
        return
    named, _ = _named(problem, reading, several[0])
    for found in resampling.resamplings(values, problem.reference):
        down, right = found.shift
        if found.words == "shift":
            cause = Cause(
                "resample",
                f"shifted by part of a pixel (a resize aligned so): rows {down:+g}, columns {right:+g}",
                (f"subpixel_shift: [{down:g}, {right:g}]",),
            )
        else:
            cause = Cause("resample", found.words, ("resize: " + found.words.split(": ")[1].split(",")[0],))
        score = math.log(max(found.loss, FLOOR)) + PRICE * (reading.weight + found.weight)
        yield Explanation((*named, cause), found.loss, score, None)


def _of_context(problem: Problem, as_read: Array, context: Context) -> Iterator[Explanation]:
    if context.second_run is not None:
        again = problem_of(problem.reference, context.second_run, problem.declared)
        if again.buffer.size == problem.buffer.size:
            other = Reading(replace(problem.declared, tail_bytes=0)).values(declared_part(again))
            differs = ~((other == as_read) | (numpy.isnan(other) & numpy.isnan(as_read)))
            if differs.any():
                share = float(differs.mean())
                words = f"two runs of the board on the same input differ in {100 * share:.1f} % of the values"
                yield Explanation((Cause("nondeterminism", words),), 0.0, math.log(FLOOR), None)
    for name, other_reference in context.references.items():
        if other_reference.shape != problem.reference.shape or numpy.array_equal(
            other_reference, problem.reference
        ):
            continue
        other_problem = replace(problem, reference=other_reference.astype(numpy.float64))
        x, y = _columns(other_problem, as_read)
        fit = fits(x, y)[0]
        cause = Cause("wrong_frame", f"the board holds {name}", (f"frame: {name}",))
        yield Explanation((cause,), fit.loss, math.log(max(fit.loss, FLOOR)) + PRICE, None)
    if context.earlier_board is not None and context.earlier_reference is not None:
        earlier = numpy.frombuffer(context.earlier_board, numpy.uint8)
        changed = not numpy.array_equal(context.earlier_reference, problem.reference)
        if changed and numpy.array_equal(earlier, problem.buffer):
            words = "the board repeats its frame before: an old buffer, or a state that is not updated"
            yield Explanation((Cause("stale", words),), 0.0, math.log(FLOOR), None)
