"""Where two runs of a network part: the tensor whose error jumps, beside that of what it is computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SMALLEST_JUMP = 3.0
"""A tensor whose error is less than this many times that of its inputs carries their error on."""


@dataclass(frozen=True)
class ErrorPoint:
    """One tensor: its error (|b - a| / |a|; infinite with NaN), and the tensors it is computed from."""

    name: str
    node: str
    error: float
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """The tensor whose error jumps most, and the sentence that says so."""

    tensor: str
    reason: str
    jump: float


def first_divergence(
    points: Sequence[ErrorPoint], *, noise: float, feeds: Mapping[str, str] | None = None
) -> Divergence | None:
    """Find the largest jump in error along execution order; None where no tensor's error jumps.

    jump = error / max(largest error among the inputs, `noise`), where `noise` is the error that rounding to
    codes makes anyway. A tensor without known inputs is held against the one before it. `feeds` maps a
    state input to the output that it was in the frame before. Of equal jumps the first in execution order
    counts.
    """
    by_name = {point.name: point for point in points}
    best: Divergence | None = None
    for index, point in enumerate(points):
        if not point.inputs and not point.node:
            before = by_name.get((feeds or {}).get(point.name, ""))  # an input: what it was is all it has
        else:
            before = _worst_input(points, by_name, index)
        base = max(before.error if before is not None else 0.0, noise)
        if point.error <= noise or math.isinf(base):
            continue
        jump = point.error / base
        if jump >= SMALLEST_JUMP and (best is None or jump > best.jump):
            best = Divergence(point.name, _sentence(point, before), jump)
    return best


def _worst_input(
    points: Sequence[ErrorPoint], by_name: Mapping[str, ErrorPoint], index: int
) -> ErrorPoint | None:
    known = [by_name[name] for name in points[index].inputs if name in by_name]
    if known:
        return max(known, key=lambda point: point.error)
    return points[index - 1] if index else None


def _sentence(point: ErrorPoint, before: ErrorPoint | None) -> str:
    place = f"at node {point.node}" if point.node else "in this input already"
    if math.isinf(point.error):
        return f"NaN or infinite values first appear {place}"
    if before is None:
        return f"the relative error is {point.error:.3g} {place}, before anything else differs"
    return (
        f"the relative error rises from {before.error:.3g} in {before.name} to {point.error:.3g} {place}, "
        f"the largest jump along the network"
    )
