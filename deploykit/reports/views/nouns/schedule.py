"""The schedule, and how each network keeps its rate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateVerdict:
    """How a network keeps its frame rate when scheduled. `worst_latency_s` counts from a frame's release,
    `alone_s` is a frame's latency on an empty chip."""

    frames: int
    late_frames: int
    frames_per_s: float
    alone_s: float
    worst_latency_s: float
    deadline_s: float


@dataclass(frozen=True)
class Lane:
    """One engine of the schedule."""

    engine: str
    busy_s: float
    utilisation: float


@dataclass(frozen=True)
class Bar:
    """One run of a segment, in `lane`."""

    lane: int
    network: str
    segment: str
    frame: int
    start_s: float
    end_s: float
    deadline_s: float
    late: bool


@dataclass(frozen=True)
class Deadline:
    """When a frame of a network has to be done."""

    network: str
    frame: int
    time_s: float


@dataclass(frozen=True)
class ScheduleView:
    """The schedule; `late` counts runs that end after their deadline. `first_frames_s` is a window around the
    first frame of every network, where it is too short to be seen in the whole horizon."""

    feasible: bool
    horizon_s: float
    first_frames_s: float | None
    makespan_s: float
    lower_bound_s: float
    status: str
    method: str
    late: int
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    deadlines: tuple[Deadline, ...]
