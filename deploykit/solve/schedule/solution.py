"""What a scheduling method answers, and how two answers are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploykit.core.bounds import SolveBound
from deploykit.solve.schedule.problem import ScheduleProblem


@dataclass(frozen=True)
class Placement:
    """One job on one machine over the half-open interval [start, end)."""

    machine: int
    start: int
    end: int


@dataclass(frozen=True)
class Timetable:
    """A placement for each job, in the problem's order, with what is known of the makespan's quality."""

    placements: tuple[Placement, ...]
    bound: SolveBound


def makespan(placements: Sequence[Placement]) -> int:
    """Give the end of the last job."""
    return max((place.end for place in placements), default=0)


def lateness(problem: ScheduleProblem, placements: Sequence[Placement]) -> int:
    """Give by how much the worst job misses its deadline; 0 where none does."""
    late = (
        place.end - job.deadline
        for job, place in zip(problem.jobs, placements, strict=True)
        if job.deadline is not None
    )
    return max(0, *late, 0)
