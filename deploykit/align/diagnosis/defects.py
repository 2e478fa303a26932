"""Faults that no reading undoes: parts that are wrong, constant, or not finite; values in another order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy

from deploykit.align.diagnosis.value_fits import HALF_MOST, variance
from deploykit.align.element_types import Array


@dataclass(frozen=True)
class Defect:
    """A part that is wrong: slices `indices` of `axis` (-1: single elements). `loss` is what the rest
    leaves."""

    kind: str
    words: str
    axis: int
    indices: tuple[int, ...]
    loss: float
    weight: float


def nonfinite(board: Array, reference: Array) -> Defect | None:
    """Name NaN and infinity that only the board has: overflow of float16 where the reference is beyond it."""
    wrong = ~numpy.isfinite(board) & numpy.isfinite(reference)
    count = int(wrong.sum())
    if count == 0:
        return None
    first = tuple(int(index) for index in numpy.unravel_index(int(wrong.argmax()), wrong.shape))
    large = numpy.abs(reference[wrong]) > HALF_MOST * 0.98
    words = f"{count} of {board.size} values are NaN or infinite, the first at {list(first)}"
    if large.mean() > 0.5 and numpy.isinf(board[wrong]).mean() > 0.5:
        return Defect(
            "fp16_overflow", f"{words}, where the reference is beyond 65504", -1, first, math.nan, 1.0
        )
    return Defect("nan", f"{words}{_extent(wrong)}", -1, first, math.nan, 1.0)


LEAST_OWN_NOISE = 0.1
"""Slices whose error is below this share of their own power (10 dB) are noisy, not wrong."""


def _extent(wrong: Array) -> str:
    """Say along which axis what is wrong fills whole slices."""
    for axis, length in enumerate(wrong.shape):
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        full = numpy.nonzero(wrong.all(others))[0]
        if 0 < len(full) < length and wrong.sum() == len(full) * wrong.size // length:
            return f"; axis {axis}: all of {ranges(full.tolist())}"
    return ""


def wrong_part(x: Array, y: Array, channel_axis: int) -> Defect | None:
    """Find the axis along which the error sits in some slices only; x is what the fit makes of the board.

    The slices outside must leave at most a tenth of the loss, and be a quarter of all at least.
    """
    seen, known = numpy.isfinite(x), numpy.isfinite(y)
    x, y = numpy.where(seen, x, 0.0), numpy.where(known, y, 0.0)
    error = numpy.where(known, numpy.square(x - y) + ~seen * variance(y), 0.0)
    total = float(error.mean()) / variance(y)
    best: Defect | None = None
    for axis, length in enumerate(y.shape):
        if length < 2:
            continue
        others = tuple(other for other in range(y.ndim) if other != axis)
        profile = error.mean(others) / variance(y)
        found = _split(profile)
        still = _still(x, y, axis) if axis == channel_axis else []
        if still:
            good = [index for index in range(length) if index not in set(still)]
            left = float(profile[good].mean())
            if found is None or left < 4 * found[1] or found[1] > 0.1 * total:
                found = still, left
        if found is None:
            continue
        bad, loss = found
        if loss > 0.1 * total or loss > 0.1 or _own_noise(error, y, axis, bad) < LEAST_OWN_NOISE:
            continue
        inside = y.take([index for index in range(length) if index not in set(bad)], axis=axis)
        if inside.size == 0 or float(inside.var()) * 0.1 < max(1e-4, loss) * variance(y):
            continue  # what is left says nothing, or is not explained beside its own variance
        defect = _named(x, y, axis, bad, loss, channel_axis)
        if best is None or _rank(defect, y) < _rank(best, y):
            best = defect
    return best


def _own_noise(error: Array, y: Array, axis: int, bad: list[int]) -> float:
    """Give the error of slices over their own power: noise grows with the values, and is no fault there."""
    power = float(numpy.square(y.take(bad, axis=axis)).mean())
    noise = float(error.take(bad, axis=axis).mean())
    return noise / power if power else math.inf


def _still(x: Array, y: Array, axis: int) -> list[int]:
    """Give the slices that are constant on the board alone; none where that is most of them."""
    others = tuple(other for other in range(x.ndim) if other != axis)
    size = numpy.abs(x).max(others) + 1e-30
    still = (numpy.ptp(x, axis=others) <= 1e-6 * size) & (numpy.ptp(y, axis=others) > 1e-3 * size)
    return numpy.nonzero(still)[0].tolist() if 0 < still.sum() <= 0.75 * len(still) else []


def _rank(defect: Defect, y: Array) -> float:
    return math.log(max(defect.loss, 1e-6)) + 2 * len(defect.indices) / int(y.shape[defect.axis])


def _split(profile: Array) -> tuple[list[int], float] | None:
    """Cut the sorted losses of the slices where they jump most; gives the bad slices and the good ones'
    loss."""
    order = numpy.argsort(profile, kind="stable")
    ordered = profile[order]
    least = max(1, len(profile) // 4)
    floor = 1e-9 + 1e-6 * float(ordered[-1])
    jumps = (ordered[least:] + floor) / (ordered[least - 1 : -1] + floor)
    place = least + int(numpy.argmax(jumps))
    if jumps[place - least] < 4:
        return None
    return sorted(order[place:].tolist()), float(ordered[:place].mean())


def _named(x: Array, y: Array, axis: int, bad: list[int], loss: float, channel_axis: int) -> Defect:
    part = numpy.moveaxis(x, axis, 0)[bad].reshape(len(bad), -1)
    name = (
        "batch items"
        if axis < channel_axis
        else "channels"
        if axis == channel_axis
        else ("columns" if axis == x.ndim - 1 else "rows")
    )
    part = numpy.nan_to_num(part)
    still = bool((numpy.ptp(part, axis=1) <= 1e-6 * (numpy.abs(part).max(1) + 1e-30)).all())
    zero = not part.any()
    content = "all zero" if zero else "constant each" if still else "other values"
    kind = {"batch items": "batch", "channels": "constant_channels" if still else "wrong_channels"}.get(
        name, "partial"
    )
    copies = _copied(x, axis, bad)
    share = len(bad) / y.shape[axis]
    words = f"{name} {ranges(bad)} of {y.shape[axis]} are wrong ({copies or content}); the others agree"
    return Defect(kind, words, axis, tuple(bad), loss, 1.5 if still or copies else 2.5 + 2 * share)


def _copied(x: Array, axis: int, bad: list[int]) -> str:
    """Say where the bad slices repeat a good one."""
    slices = numpy.moveaxis(x, axis, 0)
    good = [index for index in range(len(slices)) if index not in set(bad)]
    middle = slices.reshape(len(slices), -1)[:, slices[0].size // 2]
    for source in good:
        if middle[source] != middle[bad[0]]:
            continue
        if all(numpy.array_equal(slices[index], slices[source]) for index in bad):
            return f"copies of {source}"
    return ""


def constant(board: Array, channel_axis: int) -> str:
    """Say whether the board is constant: over all, or within every channel; "" where it is not."""
    if not numpy.isfinite(board).all():
        return ""
    if board.size and float(numpy.ptp(board)) == 0:
        return "zero everywhere" if not board.any() else "one value everywhere"
    rank = board.ndim
    if rank < 2 or not 0 <= channel_axis < rank:
        return ""
    others = tuple(axis for axis in range(rank) if axis != channel_axis)
    if math.prod(board.shape[channel_axis + 1 :]) >= 4 and float(numpy.ptp(board, axis=others).max()) == 0:
        return "one value a channel"
    return ""


def same_values(board: Array, reference: Array) -> bool:
    """Say whether both hold the same values in another order, to the last bits of float16."""
    if board.size != reference.size or not numpy.isfinite(board).all():
        return False
    left, right = numpy.sort(board, axis=None), numpy.sort(reference, axis=None)
    spread = math.sqrt(variance(reference))
    far = numpy.abs(left - right) > 1e-3 * numpy.abs(right) + 1e-6 * spread
    return float(far.mean()) < 1e-3 and len(numpy.unique(right[:: max(1, right.size // 4096)])) > 8


def ranges(indices: list[int]) -> str:
    """Write indices as ranges: 0-3, 7."""
    parts: list[list[int]] = []
    for index in indices:
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in parts[:6]]
    return ", ".join(shown) + (", ..." if len(parts) > 6 else "")
