"""What no timetable can beat."""

from __future__ import annotations

from deploykit.solve.schedule.problem import ScheduleProblem


def makespan_bound(problem: ScheduleProblem) -> int:
    """Give a lower bound on the makespan: the longest chain, and what each group of machines must do.

    For the jobs that only machines of one group can run, and each release time: the earliest that they can
    start, plus their load spread over the group, plus the shortest tail after any of them.
    """
    chains = (
        head + job.shortest + tail
        for head, job, tail in zip(problem.heads, problem.jobs, problem.tails, strict=True)
    )
    groups = {frozenset(machine for machine, _ in job.durations) for job in problem.jobs}
    return max([0, *chains, *(_group_bound(problem, group) for group in groups)])


def _group_bound(problem: ScheduleProblem, group: frozenset[int]) -> int:
    members = [
        (problem.heads[index], job.shortest, problem.tails[index])
        for index, job in enumerate(problem.jobs)
        if group.issuperset(machine for machine, _ in job.durations)
    ]
    best, load = 0, 0
    tails: list[int] = []
    for head, time, tail in sorted(members, reverse=True):  # latest head first: each prefix starts late
        load += time
        tails.append(tail)
        best = max(best, head + -(-load // len(group)) + min(tails))
    return best
