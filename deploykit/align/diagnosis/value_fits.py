"""What was done to the values: nothing, a scale, an offset, one of each a channel, a clip, an activation.

Arrays are (channels, places): y the reference, x the board. A loss is the energy that a fit leaves, over the
reference's variance: 0.01 is 20 dB.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy

from deploykit.align.element_types import Array

FEW = 30_000
"""Elements that tell whether a function is missing."""

HALF_MOST = 65504.0
"""The largest number of float16; one value that stops there is enough to say so."""

FUNCTION_LEFT = 0.01
"""The most that a missing or repeated function may leave (20 dB): many curves are alike."""

PLATEAU_SHARE = 0.002
"""Elements at the very largest or smallest value that make a plateau."""


@dataclass(frozen=True)
class ValueFit:
    """reference = gain * board + offset (a number, or one a channel), after `name` where that is a function.

    `low` and `high` are the board's plateaus: the reference may lie beyond them.
    """

    name: str
    loss: float
    weight: float
    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    low: float = -math.inf
    high: float = math.inf


def _gelu(x: Array) -> Array:
    return numpy.asarray(0.5 * x * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _sigmoid(x: Array) -> Array:
    return numpy.asarray(1 / (1 + numpy.exp(-numpy.clip(x, -60, 60))))


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "absolute": numpy.abs,
    "exponential": lambda x: numpy.exp(numpy.clip(x, -60, 60)),
    "gelu": _gelu,
    "hard_swish": lambda x: x * numpy.clip(x / 6 + 0.5, 0, 1),
    "relu": lambda x: numpy.maximum(x, 0),
    "relu6": lambda x: numpy.clip(x, 0, 6),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "square": numpy.square,
    "tanh": numpy.tanh,
}
"""What a board may leave out or do once too often."""


def variance(y: Array) -> float:
    """Give the mean square about the mean over what is finite; about 0 where the tensor is constant."""
    finite = y[numpy.isfinite(y)]
    if finite.size == 0:
        return 1.0
    spread = float(finite.var())
    square = float(numpy.square(finite).mean())
    return spread if spread > 1e-12 * square and spread > 0 else square or 1.0


def fits(x: Array, y: Array, *, functions: bool = False) -> list[ValueFit]:
    """Try all; the best for its weight is not chosen here. Places where either side is not finite are left
    out."""
    finite = numpy.isfinite(x) & numpy.isfinite(y)
    count = int(finite.sum())
    if count == 0:
        return [ValueFit("identity", math.inf, 0.0)]
    spread = variance(y)
    if count < x.size:
        covered = variance(y[finite])
        if covered < 0.05 * spread:  # what is there says nothing
            return [ValueFit("identity", math.inf, 0.0)]
        spread = min(spread, covered)
        x, y = numpy.where(finite, x, 0.0), numpy.where(finite, y, 0.0)
    found = _linear(x, y, finite, count, spread)
    found += _per_channel(x, y, finite, count, spread)
    found += _clipped(x, y, finite, spread)
    if functions:
        found += _through_function(x, y, finite, spread)
    return found


def _linear(x: Array, y: Array, finite: Array, count: int, spread: float) -> list[ValueFit]:
    sx, sy = float(x.sum()), float(y.sum())
    xx, yy, xy = float((x * x).sum()), float((y * y).sum()), float((x * y).sum())
    identity = float(numpy.square(y - x).sum()) / count / spread
    found = [ValueFit("identity", identity, 0.0)]
    if xx > 0 and xy != 0:
        gain = xy / xx
        found.append(ValueFit("scale", _left(yy - gain * xy, count, spread), 1.0, (gain,)))
    offset = (sy - sx) / count
    loss = max(0.0, identity - offset * offset / spread)
    found.append(ValueFit("offset", loss, 1.0, offset=(offset,)))
    vx, vy, cov = xx - sx * sx / count, yy - sy * sy / count, xy - sx * sy / count
    if vx > 1e-12 * xx and cov != 0 and count > 3:
        gain = cov / vx
        found.append(
            ValueFit(
                "affine", _left(vy - gain * cov, count - 2, spread), 1.5, (gain,), ((sy - gain * sx) / count,)
            )
        )
    return found


def _left(energy: float, count: int, spread: float) -> float:
    return max(0.0, energy) / max(1, count) / spread


def _per_channel(x: Array, y: Array, finite: Array, count: int, spread: float) -> list[ValueFit]:
    channels = x.shape[0]
    if channels < 2 or count < 8 * channels:
        return []
    n = numpy.maximum(finite.sum(1), 1)
    mx, my = x.sum(1) / n, y.sum(1) / n
    cx, cy = (x - mx[:, None]) * finite, (y - my[:, None]) * finite
    vx, cov = (cx * cx).sum(1), (cx * cy).sum(1)
    alive = vx > 1e-9 * (n * mx * mx + vx)
    gain = numpy.where(alive, cov / numpy.where(alive, vx, 1), 1.0)
    offset = my - gain * mx
    left = numpy.square(cy - gain[:, None] * cx).sum()
    dof = count - 2 * channels
    weight = 2.0 + 0.002 * channels
    found = [
        ValueFit("affine_channel", float(left) / dof / spread, weight, tuple(gain), tuple(offset)),
    ]
    shift = my - mx
    left = numpy.square((y - x - shift[:, None]) * finite).sum()
    found.append(
        ValueFit(
            "offset_channel", float(left) / (count - channels) / spread, weight - 0.3, offset=tuple(shift)
        )
    )
    power = (x * x).sum(1)
    gain = numpy.where(power > 0, (x * y).sum(1) / numpy.where(power > 0, power, 1), 1.0)
    left = numpy.square(y - gain[:, None] * x).sum()
    found.append(
        ValueFit("scale_channel", float(left) / (count - channels) / spread, weight - 0.3, tuple(gain))
    )
    return found


def _clipped(x: Array, y: Array, finite: Array, spread: float) -> list[ValueFit]:
    """Plateaus at the ends of the board's range: inside them a line, beyond them the reference is free."""
    if finite.sum() < 32:
        return []
    values = x[finite]
    low, high = float(values.min()), float(values.max())
    at_low, at_high = finite & (x == low), finite & (x == high)
    if low == high:
        return []
    low = low if at_low.mean() > PLATEAU_SHARE or low == -HALF_MOST else -math.inf
    high = high if at_high.mean() > PLATEAU_SHARE or high == HALF_MOST else math.inf
    inner = finite & (x > low) & (x < high)
    inside = int(inner.sum())
    if (low == -math.inf and high == math.inf) or inside < 0.1 * finite.sum() or inside < 16:
        return []
    found = []
    inner_x, inner_y = x[inner], y[inner]
    for fit in _linear(inner_x, inner_y, inner, inside, spread):
        gain, offset = fit.gain[0], fit.offset[0]
        if gain <= 0:
            continue
        left = numpy.square(inner_y - gain * inner_x - offset).sum()
        if low > -math.inf:
            left += numpy.square(numpy.maximum(0, y - gain * low - offset)[at_low]).sum()
        if high < math.inf:
            left += numpy.square(numpy.minimum(0, y - gain * high - offset)[at_high]).sum()
        loss = float(left) / int(finite.sum()) / spread
        found.append(
            ValueFit(f"saturation+{fit.name}", loss, 1.0 + fit.weight, fit.gain, fit.offset, low, high)
        )
    return found


def _through_function(x: Array, y: Array, finite: Array, spread: float) -> list[ValueFit]:
    step = max(1, x.shape[1] * x.shape[0] // FEW)
    x, y, finite = x[:, ::step], y[:, ::step], finite[:, ::step]
    found = []
    with numpy.errstate(all="ignore"):  # a function may overflow on values it was never meant for
        for name, function in FUNCTIONS.items():
            missing = float(numpy.square(function(x) - y)[finite].mean()) / spread
            found.append(ValueFit(f"missing {name}", missing, 1.0))
            twice = function(y)
            loss = float(numpy.square(twice - x)[finite].mean()) / variance(twice[finite])
            found.append(ValueFit(f"extra {name}", loss, 1.2))
    return [fit for fit in found if fit.loss <= FUNCTION_LEFT]
