"""When each segment runs on which engine."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class ScheduledRun:
    """One segment of one frame on one engine, over the half-open interval [start_ns, end_ns) from time
    zero."""

    network: str
    segment: str
    frame: int
    engine: str
    engine_index: int
    release_ns: int
    start_ns: int
    end_ns: int
    deadline_ns: int

    @property
    def late(self) -> bool:
        """True where the run ends after its deadline."""
        return self.end_ns > self.deadline_ns


@dataclass(frozen=True)
class EngineUse:
    """Busy time of one engine over the hyperperiod that is shown."""

    engine: str
    engine_index: int
    busy_ns: int
    utilisation: float


@dataclass(frozen=True)
class NetworkTiming:
    """How one network keeps its rate: worst frame of those that are shown.

    `alone_ns` is a frame's latency on an empty chip, `worst_latency_ns` from release to the end of the last
    segment, `worst_lateness_ns` what that exceeds the deadline by (0 where no frame is late).
    """

    network: str
    rate_hz: float
    deadline_ns: int
    frames: int
    late_frames: int
    alone_ns: int
    worst_latency_ns: int
    worst_lateness_ns: int


@dataclass(frozen=True)
class Schedule:
    """All runs over `horizon_ns`, in order of start; `bound` is on the makespan in ns.

    Deadlines are those of whole frames. `hyperperiod_ns` is the time after which the releases repeat; where
    the horizon is shorter, the notices say so. `feasible`: no run is late and no engine needs more than all
    of its time.
    """

    chip: str
    horizon_ns: int
    runs: tuple[ScheduledRun, ...]
    engines: tuple[EngineUse, ...]
    bound: SolveBound
    feasible: bool
    notices: tuple[str, ...] = ()
    hyperperiod_ns: int = 0
    networks: tuple[NetworkTiming, ...] = ()
