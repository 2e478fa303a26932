"""A schedule as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

One track an engine with its runs; below, one track a network with its frames from release to end, and a mark
at each deadline that is missed. Times are in microseconds, as the format wants them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from deploykit.artifacts.schedule import Schedule, ScheduledRun
from deploykit.reports import units

Event: TypeAlias = dict[str, Any]

ENGINES, NETWORKS = 1, 2
"""The two groups of tracks ("processes" in the format)."""


def trace_json(schedule: Schedule) -> str:
    """Give the trace file's content."""
    events = [*_track_names(schedule), *sorted(_events(schedule), key=lambda event: float(event["ts"]))]
    other = {"chip": schedule.chip, "feasible": schedule.feasible, "notices": list(schedule.notices)}
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": other}, indent=1)


def _track_names(schedule: Schedule) -> Iterator[Event]:
    groups = ((ENGINES, f"{schedule.chip}: engines"), (NETWORKS, f"{schedule.chip}: networks"))
    for pid, name in groups:
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}
    for tid, use in enumerate(schedule.engines):
        label = f"{use.engine} {use.engine_index} ({units.percent(use.utilisation)})"
        yield {"ph": "M", "name": "thread_name", "pid": ENGINES, "tid": tid, "args": {"name": label}}
    for tid, name in enumerate(_networks(schedule)):
        yield {"ph": "M", "name": "thread_name", "pid": NETWORKS, "tid": tid, "args": {"name": name}}


def _events(schedule: Schedule) -> Iterator[Event]:
    tids = {(use.engine, use.engine_index): tid for tid, use in enumerate(schedule.engines)}
    for run in schedule.runs:
        yield _run_event(run, tids[run.engine, run.engine_index])
    for tid, network in enumerate(_networks(schedule)):
        frames: dict[int, list[ScheduledRun]] = {}
        for run in schedule.runs:
            if run.network == network:
                frames.setdefault(run.frame, []).append(run)
        for frame in sorted(frames):
            yield from _frame_events(network, frame, frames[frame], tid)


def _run_event(run: ScheduledRun, tid: int) -> Event:
    event: Event = {
        "ph": "X",
        "name": f"{run.network}.{run.segment} #{run.frame}",
        "cat": run.network,
        "pid": ENGINES,
        "tid": tid,
        "ts": run.start_ns / 1e3,
        "dur": (run.end_ns - run.start_ns) / 1e3,
        "args": {
            "network": run.network,
            "segment": run.segment,
            "frame": run.frame,
            "release_us": run.release_ns / 1e3,
            "deadline_us": run.deadline_ns / 1e3,
            "late": run.late,
        },
    }
    return {**event, "cname": "terrible"} if run.late else event


def _frame_events(network: str, frame: int, runs: list[ScheduledRun], tid: int) -> Iterator[Event]:
    """Give a frame as one asynchronous span, so that frames of one network may overlap."""
    end_ns, deadline_ns = max(run.end_ns for run in runs), runs[0].deadline_ns
    span: Event = {"name": f"{network} #{frame}", "cat": "frame", "id": f"{network}/{frame}"}
    place = {"pid": NETWORKS, "tid": tid}
    yield {**span, **place, "ph": "b", "ts": runs[0].release_ns / 1e3, "args": {"late": end_ns > deadline_ns}}
    yield {**span, **place, "ph": "e", "ts": end_ns / 1e3}
    if end_ns > deadline_ns:
        name = f"{network} #{frame} misses its deadline"
        yield {**place, "ph": "i", "s": "t", "name": name, "ts": deadline_ns / 1e3}


def _networks(schedule: Schedule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.network for run in schedule.runs))
