"""Timetables are valid on any problem, meet small optima, and prefer being in time to being short."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.solve.schedule.bounds import makespan_bound
from deploykit.solve.schedule.list_schedule import METHODS, PRIORITIES, schedule
from deploykit.solve.schedule.problem import Job, ScheduleProblem
from deploykit.solve.schedule.solution import Placement, lateness, makespan
from deploykit.solve.schedule.validate import timetable_faults


@st.composite
def problems(draw: st.DrawFn, most: int = 12) -> ScheduleProblem:
    machines = draw(st.integers(1, 3))
    jobs: list[Job] = []
    for index in range(draw(st.integers(0, most))):
        usable = draw(st.sets(st.integers(0, machines - 1), min_size=1))
        before = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        deadline = draw(st.one_of(st.none(), st.integers(0, 40)))
        durations = tuple((machine, draw(st.integers(1, 9))) for machine in sorted(usable))
        jobs.append(Job(durations, tuple(sorted(before)), draw(st.integers(0, 10)), deadline))
    return ScheduleProblem(machines, tuple(jobs))


@given(problems())
@settings(max_examples=120, deadline=None)
def test_every_method_gives_a_valid_timetable_not_below_the_bound(problem: ScheduleProblem) -> None:
    for priority, method in product(PRIORITIES.values(), METHODS.values()):
        keys = [priority(problem, job) for job in range(len(problem.jobs))]
        placements = method(problem, keys)
        assert timetable_faults(problem, placements) == ()
        assert makespan(placements) >= makespan_bound(problem)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_the_answer_states_its_own_makespan_and_bound(problem: ScheduleProblem) -> None:
    table = schedule(problem)

    assert table.bound.objective == makespan(table.placements)
    assert table.bound.lower_bound == makespan_bound(problem) <= table.bound.objective
    assert (table.bound.status == "optimal") == (table.bound.objective == table.bound.lower_bound)


def test_a_chain_on_two_machines_takes_its_length() -> None:
    # 3 on machine 0, then 4 on machine 1, then 2 on machine 0: 9, which is the longest chain.
    problem = ScheduleProblem(2, (Job(((0, 3),)), Job(((1, 4),), (0,)), Job(((0, 2),), (1,))))

    table = schedule(problem)

    assert [place.start for place in table.placements] == [0, 3, 7]
    assert table.bound.status == "optimal"


def test_insertion_uses_the_gap_that_a_chain_leaves() -> None:
    # The chain keeps machine 0 free over [3, 7): a job of 4 fits in there.
    problem = ScheduleProblem(2, (Job(((0, 3),)), Job(((1, 4),), (0,)), Job(((0, 2),), (1,)), Job(((0, 4),))))

    assert schedule(problem).bound.objective == 9


def test_load_bounds_the_makespan_from_the_release_on() -> None:
    # Released at 5, three jobs of 4 on two machines need 12 / 2 = 6 more, then a tail of 3: 14.
    jobs = tuple(Job(((0, 4), (1, 4)), release=5) for _ in range(3))
    tails = tuple(Job(((2 + index, 3),), (index,)) for index in range(3))

    assert makespan_bound(ScheduleProblem(5, jobs + tails)) == 14


def test_a_deadline_outweighs_the_makespan() -> None:
    # The long chain first gives makespan 11; the short job is in time only if it goes first: makespan 12.
    problem = ScheduleProblem(2, (Job(((0, 5),)), Job(((1, 6),), (0,)), Job(((0, 1),), deadline=2)))

    table = schedule(problem)

    assert lateness(problem, table.placements) == 0
    assert table.placements[2].end <= 2


def test_the_faster_machine_is_taken_where_it_ends_first() -> None:
    problem = ScheduleProblem(2, (Job(((0, 9), (1, 4))),))

    assert schedule(problem).placements == (Placement(1, 0, 4),)


def test_the_validator_names_each_fault() -> None:
    problem = ScheduleProblem(2, (Job(((0, 3),), release=1), Job(((0, 2),), (0,)), Job(((0, 4),))))
    faults = timetable_faults(problem, (Placement(0, 0, 3), Placement(1, 2, 4), Placement(0, 2, 5)))

    assert faults == (
        "job 0 starts at 0, before its release at 1",
        "job 1 runs on machine 1, which cannot run it",
        "job 1 starts at 2, before job 0 ends at 3",
        "job 2 runs 3 long, not 4",
        "jobs 0 [0, 3) and 2 [2, 5) both run on machine 0",
    )


def test_the_validator_counts_placements() -> None:
    assert timetable_faults(ScheduleProblem(1, (Job(((0, 1),)),)), ()) == ("1 jobs, but 0 placements",)


def test_jobs_stand_after_what_they_wait_for_and_need_a_machine() -> None:
    with pytest.raises(ValueError, match="stands before a predecessor"):
        ScheduleProblem(1, (Job(((0, 1),), (1,)), Job(((0, 1),))))
    with pytest.raises(ValueError, match="needs machines"):
        ScheduleProblem(1, (Job(((1, 1),)),))
