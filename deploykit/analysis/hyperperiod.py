"""Frames of networks that run at different rates, and the time after which their pattern repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

NS_PER_S = 10**9


@dataclass(frozen=True)
class FrameClock:
    """When a network's frames are released and due. `rate_hz` is exact, so that 30 Hz doesn't drift."""

    rate_hz: Fraction
    offset_ns: int
    deadline_ns: int

    def release_ns(self, frame: int) -> int:
        """Give the time at which a frame's inputs are there."""
        return self.offset_ns + math.floor(frame * NS_PER_S / self.rate_hz)

    def frames_before(self, horizon: Fraction) -> int:
        """Count the frames of a horizon (in seconds), offsets left aside: at least one."""
        return max(math.ceil(horizon * self.rate_hz), 1)


def hyperperiod_s(rates_hz: Sequence[Fraction]) -> Fraction:
    """Give the least common multiple of the periods, in seconds.

    With rates p/q in lowest terms that is the lcm of the q over the gcd of the p.
    """
    return Fraction(
        math.lcm(*(rate.denominator for rate in rates_hz)), math.gcd(*(rate.numerator for rate in rates_hz))
    )


def horizon_s(
    clocks: Sequence[FrameClock],
    runs_per_frame: Sequence[int],
    *,
    least_frames: int,
    longest_s: float,
    most_runs: int,
) -> Fraction:
    """Give the time to schedule: whole hyperperiods, until each network has `least_frames`, if that isn't too
    much.

    Too much is more than `longest_s` or more than `most_runs` runs; then it is what these allow, but at least
    one frame of each network.
    """
    period = hyperperiod_s([clock.rate_hz for clock in clocks])
    frames = min(period * clock.rate_hz for clock in clocks)
    wanted = period * max(math.ceil(least_frames / frames), 1)
    rates = zip(clocks, runs_per_frame, strict=True)
    runs_per_s = sum((clock.rate_hz * runs for clock, runs in rates), Fraction(0))
    slowest = max(1 / clock.rate_hz for clock in clocks)
    return max(min(wanted, Fraction(longest_s), Fraction(most_runs) / runs_per_s), slowest)
