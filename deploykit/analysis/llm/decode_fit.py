"""Decode speed from measurements: time of a token = bytes / bandwidth + launches x a constant.

With one launch a token the constant is what a token costs whatever the model; with one a layer it is what a
layer costs whatever its size. Either way two numbers are fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploykit.core.errors import input_error

LEAST_POINTS = 3


@dataclass(frozen=True)
class DecodePoint:
    """One measured model: the bytes that a token has to move, the time that it took, its launches."""

    moved_bytes: float
    time_s: float
    launches: int = 1


@dataclass(frozen=True)
class DecodeFit:
    """Effective bandwidth, and what each launch costs."""

    bandwidth_bytes_per_s: float
    launch_s: float

    def time_s(self, moved_bytes: float, launches: int = 1) -> float:
        """Predict the time of a token."""
        return moved_bytes / self.bandwidth_bytes_per_s + launches * self.launch_s


def fit_decode(points: Sequence[DecodePoint], *, where: str = "decode measurements") -> DecodeFit:
    """Give the two numbers with the least squared relative error; a launch takes no less than nothing.

    Raises:
        InputError: too few points, points that cannot be told apart, or times that fall with the bytes.
    """
    # minimise the sum of (slope x + launch y - 1)^2 with x = bytes / time, y = launches / time
    xs = [point.moved_bytes / point.time_s for point in points]
    ys = [point.launches / point.time_s for point in points]
    xx, yy, xy = _dot(xs, xs), _dot(ys, ys), _dot(xs, ys)
    determinant = xx * yy - xy * xy
    if len(points) < LEAST_POINTS or determinant <= 1e-9 * xx * yy:
        fix = f"measure at least {LEAST_POINTS} models of different sizes"
        raise input_error(where, "two numbers cannot be fitted to these models", fix)
    slope = (sum(xs) * yy - sum(ys) * xy) / determinant
    launch_s = (sum(ys) * xx - sum(xs) * xy) / determinant
    if launch_s < 0:
        slope, launch_s = sum(xs) / xx, 0.0
    if slope <= 0:
        raise input_error(where, "models that move more bytes take less time", "check the rows")
    return DecodeFit(1 / slope, launch_s)


def leave_one_out(points: Sequence[DecodePoint]) -> tuple[float, ...]:
    """Give each point's relative error (prediction / measurement - 1) by a fit to all others."""
    errors = []
    for index, point in enumerate(points):
        fit = fit_decode([*points[:index], *points[index + 1 :]])
        errors.append(fit.time_s(point.moved_bytes, point.launches) / point.time_s - 1)
    return tuple(errors)


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
