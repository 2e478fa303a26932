"""Whether rates hold, by how much they fail, and which lower ones would hold: the sentences that users
read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from deploykit.analysis.frame_jobs import NetworkFrames, engine_demand
from deploykit.analysis.hyperperiod import NS_PER_S
from deploykit.artifacts.schedule import NetworkTiming, ScheduledRun

FIT_STEPS = 1000
"""Rates are tried in thousandths of those that were asked for."""


def largest_fit(fits: Callable[[Fraction], bool]) -> Fraction | None:
    """Give the largest factor on all rates, in thousandths, for which `fits` says yes; None where none was
    found.

    Bisection: it takes for granted that lower rates are easier, but never gives a factor that wasn't tried.
    """
    low, high = 0, FIT_STEPS
    while high - low > 1:
        middle = (low + high) // 2
        if fits(Fraction(middle, FIT_STEPS)):
            low = middle
        else:
            high = middle
    return Fraction(low, FIT_STEPS) if low else None


def schedule_notices(
    networks: Sequence[NetworkFrames],
    timings: Sequence[NetworkTiming],
    runs: Sequence[ScheduledRun],
    machines: Sequence[tuple[str, int]],
    horizon_ns: int,
    period_s: Fraction,
    fit: Fraction | None,
) -> tuple[str, ...]:
    """Say what is late and by how much, what would fit, and what the schedule leaves out."""
    demand = engine_demand(networks)
    notices = [_demand_notice(networks, group, share, machines) for group, share in demand.items()]
    notices += [_late_notice(timing) for timing in timings]
    if any(notices):
        notices.append(_fit_notice(networks, fit))
    notices.append(_horizon_notice(runs, horizon_ns, period_s))
    notices.append(_overlap_notice(runs))
    return tuple(filter(None, notices))


def _demand_notice(
    networks: Sequence[NetworkFrames],
    group: tuple[int, ...],
    share: Fraction,
    machines: Sequence[tuple[str, int]],
) -> str:
    if share <= 1:
        return ""
    names = " and ".join(dict.fromkeys(machines[index][0] for index in group))
    users = [network for network in networks if group in network.machines]
    at = ", ".join(f"{network.name} at {_hz(network.clock.rate_hz)}" for network in users)
    return f"{names} needs {_percent(share)} of its time ({at})"


def _late_notice(timing: NetworkTiming) -> str:
    if not timing.late_frames:
        return ""
    frames = f"{timing.late_frames} of {timing.frames} frames"
    return (
        f"{timing.network} at {timing.rate_hz:g} Hz is late in {frames}, "
        f"by up to {_ms(timing.worst_lateness_ns)} past its deadline of {_ms(timing.deadline_ns)}; "
        f"alone on the chip a frame takes {_ms(timing.alone_ns)}"
    )


def _fit_notice(networks: Sequence[NetworkFrames], fit: Fraction | None) -> str:
    if fit is None:
        return "no lower rate was found that holds: a frame takes longer than its deadline at any rate"
    rates = ", ".join(f"{network.name} {_hz(network.clock.rate_hz * fit)}" for network in networks)
    return f"{_percent(fit)} of the rates would fit: {rates}"


def _horizon_notice(runs: Sequence[ScheduledRun], horizon_ns: int, period_s: Fraction) -> str:
    period_ns = math.floor(period_s * NS_PER_S)
    if horizon_ns < period_ns:
        return (
            f"the rates repeat after {_ms(period_ns)}; only the first {_ms(horizon_ns)} are scheduled, "
            "so that later frames are not proved to be in time"
        )
    end = max((run.end_ns for run in runs), default=0)
    if end > horizon_ns:
        return (
            f"the last run ends {_ms(end - horizon_ns)} after the {_ms(horizon_ns)} that are scheduled: "
            "the table cannot be repeated as it is"
        )
    return ""


def _overlap_notice(runs: Sequence[ScheduledRun]) -> str:
    """Warn where two engines run at once: their times were predicted for each alone."""
    latest_end = 0
    for run in sorted(runs, key=lambda run: run.start_ns):
        if run.start_ns < latest_end:
            return "engines run at the same time: each run's time is that of an engine alone on the memory"
        latest_end = max(latest_end, run.end_ns)
    return ""


def _hz(rate: Fraction) -> str:
    return f"{math.floor(rate * 100) / 100:g} Hz"  # rounded down, so that what fits still fits


def _percent(share: Fraction) -> str:
    return f"{float(share) * 100:.1f} %".replace(".0 %", " %")


def _ms(time_ns: int) -> str:
    return f"{time_ns / 1e6:.3g} ms" if time_ns < 1e9 else f"{time_ns / 1e9:.4g} s"
