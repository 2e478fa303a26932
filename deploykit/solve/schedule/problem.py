"""What is scheduled: jobs that run whole, once, each on one of the machines that can."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Job:
    """One run without interruption.

    `durations` gives (machine, time) for each machine that can run it. It may not start before `release` nor
    before every job in `predecessors` (indices) has ended, and should end by `deadline` where there is one.
    """

    durations: tuple[tuple[int, int], ...]
    predecessors: tuple[int, ...] = ()
    release: int = 0
    deadline: int | None = None

    @property
    def shortest(self) -> int:
        """Its time on the machine that is fastest for it."""
        return min(time for _, time in self.durations)


@dataclass(frozen=True)
class ScheduleProblem:
    """Jobs on `machines` machines, each of which runs one at a time. Jobs stand after their predecessors.

    Wanted: first the least lateness (the largest end - deadline, 0 where all are in time), then the least
    makespan.
    """

    machines: int
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        for index, job in enumerate(self.jobs):
            if any(before >= index or before < 0 for before in job.predecessors):
                raise ValueError(f"job {index} stands before a predecessor: {job.predecessors}")
            if not job.durations or any(
                time < 0 or not 0 <= machine < self.machines for machine, time in job.durations
            ):
                raise ValueError(f"job {index} needs machines with times: {job.durations}")

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """The jobs that wait for each job."""
        found: list[list[int]] = [[] for _ in self.jobs]
        for index, job in enumerate(self.jobs):
            for before in job.predecessors:
                found[before].append(index)
        return tuple(map(tuple, found))

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """The earliest time at which each job could start if machines were never taken."""
        found: list[int] = []
        for job in self.jobs:
            ends = [found[before] + self.jobs[before].shortest for before in job.predecessors]
            found.append(max([job.release, *ends]))
        return tuple(found)

    @cached_property
    def tails(self) -> tuple[int, ...]:
        """The least time between each job's end and the end of all that waits for it."""
        found = [0] * len(self.jobs)
        for index in reversed(range(len(self.jobs))):
            waiting = self.successors[index]
            found[index] = max((self.jobs[after].shortest + found[after] for after in waiting), default=0)
        return tuple(found)

    @cached_property
    def latest_ends(self) -> tuple[float, ...]:
        """The end of each job that still leaves its successors time to meet their deadlines."""
        found = [float("inf")] * len(self.jobs)
        for index in reversed(range(len(self.jobs))):
            own = self.jobs[index].deadline
            after = (found[later] - self.jobs[later].shortest for later in self.successors[index])
            found[index] = min([float("inf") if own is None else own, *after])
        return tuple(found)
