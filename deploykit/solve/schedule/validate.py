"""Checks a timetable rule by rule; it shares no code with the methods that make one."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.solve.schedule.problem import ScheduleProblem
from deploykit.solve.schedule.solution import Placement


def timetable_faults(problem: ScheduleProblem, placements: Sequence[Placement]) -> tuple[str, ...]:
    """Name every job and every pair that breaks the rules; empty where the timetable is valid.

    A late job is no fault: deadlines are what a method tries to meet, and the caller judges.
    """
    if len(placements) != len(problem.jobs):
        return (f"{len(problem.jobs)} jobs, but {len(placements)} placements",)
    faults: list[str] = []
    for index, place in enumerate(placements):
        job = problem.jobs[index]
        times = dict(job.durations)
        if place.machine not in times:
            faults.append(f"job {index} runs on machine {place.machine}, which cannot run it")
        elif place.end - place.start != times[place.machine]:
            faults.append(f"job {index} runs {place.end - place.start} long, not {times[place.machine]}")
        if place.start < job.release:
            faults.append(f"job {index} starts at {place.start}, before its release at {job.release}")
        faults += [
            f"job {index} starts at {place.start}, before job {before} ends at {placements[before].end}"
            for before in job.predecessors
            if place.start < placements[before].end
        ]
    return (*faults, *_overlaps(placements))


def _overlaps(placements: Sequence[Placement]) -> list[str]:
    faults: list[str] = []
    by_start = sorted(range(len(placements)), key=lambda index: placements[index].start)
    for position, a in enumerate(by_start):
        for b in by_start[position + 1 :]:
            first, second = placements[a], placements[b]
            if second.start >= first.end:
                break  # all that follow start later still
            if second.machine == first.machine and second.start < second.end:
                faults.append(
                    f"jobs {a} [{first.start}, {first.end}) and {b} [{second.start}, {second.end}) "
                    f"both run on machine {first.machine}"
                )
    return faults
