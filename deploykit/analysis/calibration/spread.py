"""How wide a prediction is, from networks that the fit did not see."""

from __future__ import annotations

import math

import numpy

from deploykit.analysis.time_model import KINDS, Floats
from deploykit.core.calibration import Spread

LEVEL = 0.9
"""Share of held-out networks whose latency lies inside their interval."""

PER_OUTSIDE = 4.0
"""A network all of whose time is outside of what was measured has an interval 1 + this times as wide."""

LEAST_LOG_WIDTH = 0.02


def outside_share(shares: Floats, seen: Floats) -> Floats:
    """Give the share of each network's time that no measured network had: the sum over kinds of the
    excess."""
    excess: Floats = numpy.maximum(shares - seen, 0.0).sum(axis=1)
    return excess


def widening(outside: Floats) -> Floats:
    """Give the factor on the width of an interval, from the share outside."""
    return 1 + PER_OUTSIDE * outside


def log_width(errors: Floats, outside: Floats) -> float:
    """Give the half width of intervals before they are widened, so that `LEVEL` of held-out networks are
    inside.

    `errors` are logarithms of predicted over measured. This is split conformal prediction on widened
    scores: the smallest score that ceil((n + 1) x `LEVEL`) of n do not exceed. Where n is so small that
    there is none, the largest score is stretched by (n + 1) x `LEVEL` / n.
    """
    scores = numpy.sort(numpy.abs(errors) / widening(outside))
    rank = math.ceil((scores.size + 1) * LEVEL)
    if rank > scores.size:
        return max(float(scores[-1]) * (scores.size + 1) * LEVEL / scores.size, LEAST_LOG_WIDTH)
    return max(float(scores[rank - 1]), LEAST_LOG_WIDTH)


def inside(errors: Floats, outside: Floats) -> float:
    """Give the share of networks inside an interval that is made without their own error."""
    found = [
        abs(errors[index]) <= log_width(numpy.delete(errors, index), numpy.delete(outside, index)) * width
        for index, width in enumerate(widening(outside))
    ]
    return sum(map(bool, found)) / len(found)


def spread_of(errors: Floats, outside: Floats, shares: Floats) -> Spread:
    """Give the spread that a profile keeps, from held-out errors and the measured networks' shares by
    kind."""
    seen: dict[str, float] = {
        kind: float(share) for kind, share in zip(KINDS, shares.max(axis=0), strict=True) if share > 0
    }
    return Spread(log_width(errors, outside), PER_OUTSIDE, seen)
