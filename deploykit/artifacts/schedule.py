"""When each segment runs on which engine."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class ScheduledRun:
    """One segment of one frame on one engine, over the half-open interval [start_ns, end_ns) from time zero."""

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
class Schedule:
    """All runs over `horizon_ns`; `bound` is on the makespan in ns. Deadlines are those of whole frames."""

    chip: str
    horizon_ns: int
    runs: tuple[ScheduledRun, ...]
    engines: tuple[EngineUse, ...]
    bound: SolveBound
    feasible: bool
    notices: tuple[str, ...] = ()
