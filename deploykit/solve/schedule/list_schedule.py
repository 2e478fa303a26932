"""List scheduling: jobs are placed one by one by a priority, each where it ends first."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import TypeAlias

from deploykit.core.bounds import SolveBound
from deploykit.solve.schedule.bounds import makespan_bound
from deploykit.solve.schedule.problem import ScheduleProblem
from deploykit.solve.schedule.solution import Placement, Timetable, lateness, makespan

Priority: TypeAlias = Callable[[ScheduleProblem, int], tuple[float, ...]]

PRIORITIES: dict[str, Priority] = {
    "deadline": lambda problem, job: (problem.latest_ends[job], -problem.tails[job]),
    "slack": lambda problem, job: (
        problem.latest_ends[job] - problem.jobs[job].shortest,
        -_rank(problem, job),
    ),
    "rank": lambda problem, job: (-_rank(problem, job),),
    "release": lambda problem, job: (problem.heads[job], problem.latest_ends[job]),
}
"""Who goes first: the earliest deadline, the least slack, the longest chain to the end (HEFT), the first
come."""


def schedule(problem: ScheduleProblem) -> Timetable:
    """Try every priority, by insertion and by dispatch, and give the timetable that is least late, then
    shortest.

    Stops at one that is in time and as short as the bound. Deterministic; `steps` counts the timetables made.
    """
    floor = makespan_bound(problem)
    found: list[tuple[int, int, list[Placement], str]] = []
    for name, priority in PRIORITIES.items():
        keys = [priority(problem, job) for job in range(len(problem.jobs))]
        for how, method in METHODS.items():
            placements = method(problem, keys)
            late, height = lateness(problem, placements), makespan(placements)
            found.append((late, height, placements, f"list schedule by {name}, {how}"))
            if (late, height) == (0, floor):
                return _timetable(found, floor)
    return _timetable(found, floor)


def _timetable(found: Sequence[tuple[int, int, list[Placement], str]], floor: int) -> Timetable:
    _, height, placements, method = min(found, key=lambda item: item[:2])
    bound = SolveBound("optimal" if height == floor else "feasible", height, floor, method, len(found))
    return Timetable(tuple(placements), bound)


def insert_by_priority(problem: ScheduleProblem, keys: Sequence[tuple[float, ...]]) -> list[Placement]:
    """Place the free job with the least key next, in the first gap of the machine where it ends first."""
    placed: list[Placement | None] = [None] * len(problem.jobs)
    busy: list[list[tuple[int, int]]] = [[] for _ in range(problem.machines)]
    for index in _by_key(problem, keys):
        job = problem.jobs[index]
        ready = max([job.release, *(_end(placed[before]) for before in job.predecessors)])
        options = [
            (_first_gap(busy[machine], ready, time) + time, machine, time) for machine, time in job.durations
        ]
        end, machine, time = min(options)
        placed[index] = Placement(machine, end - time, end)
        insort(busy[machine], (end - time, end))
    return [place for place in placed if place is not None]


def dispatch_by_priority(problem: ScheduleProblem, keys: Sequence[tuple[float, ...]]) -> list[Placement]:
    """Start next what can start first, among equals the job with the least key: no machine waits for a
    job."""
    placed: list[Placement | None] = [None] * len(problem.jobs)
    free = [0] * problem.machines
    waiting = [len(job.predecessors) for job in problem.jobs]
    ready = {index: job.release for index, job in enumerate(problem.jobs) if not waiting[index]}
    while ready:
        start, _, end, machine, index = min(
            (max(at, free[machine]), keys[index], max(at, free[machine]) + time, machine, index)
            for index, at in ready.items()
            for machine, time in problem.jobs[index].durations
        )
        placed[index] = Placement(machine, start, end)
        free[machine] = end
        del ready[index]
        for after in problem.successors[index]:
            waiting[after] -= 1
            if not waiting[after]:
                job = problem.jobs[after]
                ready[after] = max([job.release, *(_end(placed[before]) for before in job.predecessors)])
    return [place for place in placed if place is not None]


METHODS = {"insertion": insert_by_priority, "dispatch": dispatch_by_priority}
"""How jobs are placed, by the name in the answer's bound."""


def _rank(problem: ScheduleProblem, job: int) -> int:
    return problem.jobs[job].shortest + problem.tails[job]


def _by_key(problem: ScheduleProblem, keys: Sequence[tuple[float, ...]]) -> list[int]:
    """Order the jobs by key, each after its predecessors."""
    waiting = [len(job.predecessors) for job in problem.jobs]
    ready = [(keys[index], index) for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for after in problem.successors[index]:
            waiting[after] -= 1
            if not waiting[after]:
                heapq.heappush(ready, (keys[after], after))
    return order


def _first_gap(busy: Sequence[tuple[int, int]], ready: int, time: int) -> int:
    """Give the earliest start from `ready` on at which a machine with these busy intervals is free for
    `time`."""
    position = bisect_left(busy, (ready, ready))
    start = max(ready, busy[position - 1][1]) if position else ready
    for begin, end in busy[position:]:
        if begin - start >= time:
            return start
        start = max(start, end)
    return start


def _end(place: Placement | None) -> int:
    assert place is not None, "jobs are placed after their predecessors"
    return place.end
