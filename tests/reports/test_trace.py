"""A schedule's trace holds every run at its time, and marks what is late."""

from __future__ import annotations

import json
from typing import Any

from deploykit.artifacts.schedule import EngineUse, Schedule, ScheduledRun
from deploykit.core.bounds import SolveBound
from deploykit.reports.trace import trace_json


def two_frames() -> Schedule:
    """One network on one engine: frame 0 in time, frame 1 ending 5 us after its deadline at 30 us."""
    runs = (
        ScheduledRun("bev", "head", 0, "npu", 0, 0, 2_500, 12_500, 15_000),
        ScheduledRun("bev", "head", 1, "npu", 0, 15_000, 25_000, 35_000, 30_000),
    )
    use = (EngineUse("npu", 0, 20_000, 0.667), EngineUse("cpu", 0, 0, 0.0))
    bound = SolveBound("feasible", 35_000, 25_000, "by hand")
    return Schedule("chip", 30_000, runs, use, bound, False, ("bev is late",))


def events(schedule: Schedule, phase: str) -> list[dict[str, Any]]:
    return [event for event in json.loads(trace_json(schedule))["traceEvents"] if event["ph"] == phase]


def test_each_run_is_a_span_in_microseconds_on_its_engines_track() -> None:
    first, second = events(two_frames(), "X")

    assert (first["name"], first["ts"], first["dur"], first["tid"]) == ("bev.head #0", 2.5, 10.0, 0)
    assert (first["args"]["late"], second["args"]["late"]) == (False, True)
    assert "cname" not in first
    assert second["cname"] == "terrible"


def test_frames_reach_from_release_to_end_and_a_missed_deadline_is_marked() -> None:
    begins, ends = events(two_frames(), "b"), events(two_frames(), "e")

    assert [(event["id"], event["ts"]) for event in begins] == [("bev/0", 0.0), ("bev/1", 15.0)]
    assert [(event["id"], event["ts"]) for event in ends] == [("bev/0", 12.5), ("bev/1", 35.0)]
    assert [(event["name"], event["ts"]) for event in events(two_frames(), "i")] == [
        ("bev #1 misses its deadline", 30.0)
    ]


def test_tracks_are_named_and_events_stand_in_order_of_time() -> None:
    names = [event["args"]["name"] for event in events(two_frames(), "M") if "name" in event["args"]]
    assert names == ["chip: engines", "chip: networks", "npu 0 (67 %)", "cpu 0 (0 %)", "bev"]
    times = [event["ts"] for event in json.loads(trace_json(two_frames()))["traceEvents"] if "ts" in event]
    assert times == sorted(times)
