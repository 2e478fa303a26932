"""Views of when each segment runs."""

from __future__ import annotations

from deploykit.artifacts.schedule import EngineUse, Schedule
from deploykit.reports.views.nouns.schedule import Bar, Deadline, Lane, RateVerdict, ScheduleView

NS = 1e-9
READABLE_SHARE = 0.2
"""A first frame that takes less of the horizon is shown by itself, too."""


def schedule_view(schedule: Schedule | None) -> ScheduleView | None:
    """Give lanes in the engines' order and bars in the order of their start."""
    if schedule is None:
        return None
    place = {(use.engine, use.engine_index): index for index, use in enumerate(schedule.engines)}
    alone = {use.engine for use in schedule.engines if use.engine_index > 0}
    bars = tuple(
        Bar(
            lane=place[run.engine, run.engine_index],
            network=run.network,
            segment=run.segment,
            frame=run.frame,
            start_s=run.start_ns * NS,
            end_s=run.end_ns * NS,
            deadline_s=run.deadline_ns * NS,
            late=run.late,
        )
        for run in sorted(schedule.runs, key=lambda run: (run.start_ns, run.end_ns))
    )
    frames = {(run.network, run.frame): run.deadline_ns for run in schedule.runs}
    return ScheduleView(
        feasible=schedule.feasible,
        horizon_s=schedule.horizon_ns * NS,
        first_frames_s=_first_frames_s(schedule),
        makespan_s=max((run.end_ns for run in schedule.runs), default=0) * NS,
        lower_bound_s=schedule.bound.lower_bound * NS,
        status=schedule.bound.status,
        method=schedule.bound.method,
        late=sum(run.late for run in schedule.runs),
        lanes=tuple(
            Lane(_engine_label(use, use.engine in alone), use.busy_ns * NS, use.utilisation)
            for use in schedule.engines
        ),
        bars=bars,
        deadlines=tuple(Deadline(network, frame, at * NS) for (network, frame), at in frames.items()),
    )


def rate_verdict(schedule: Schedule | None, network: str) -> RateVerdict | None:
    """Say how one network's frames meet their deadlines; None where the schedule lacks it."""
    timings = schedule.networks if schedule else ()
    timing = next((timing for timing in timings if timing.network == network), None)
    if timing is None:
        return None
    return RateVerdict(
        frames=timing.frames,
        late_frames=timing.late_frames,
        frames_per_s=timing.rate_hz,
        alone_s=timing.alone_ns * NS,
        worst_latency_s=timing.worst_latency_ns * NS,
        deadline_s=timing.deadline_ns * NS,
    )


def _first_frames_s(schedule: Schedule) -> float | None:
    end_ns = max((run.end_ns for run in schedule.runs if run.frame == 0), default=0)
    readable = end_ns > READABLE_SHARE * schedule.horizon_ns
    return None if readable or end_ns == 0 else 1.05 * end_ns * NS


def _engine_label(use: EngineUse, several: bool) -> str:
    return f"{use.engine} {use.engine_index}" if several else use.engine
