"""Assignments against every combination of small problems, and known optima."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.solve.assign.assign import assign
from deploykit.solve.assign.front import pareto_front
from deploykit.solve.assign.problem import AssignProblem, Item, Limit, Option, total
from deploykit.solve.assign.validate import assignment_faults

small = st.integers(0, 12) | st.integers(0, 10**6)
options = st.builds(Option, time=small, size=small, error=small, tag=st.sampled_from("ab"))
items = st.builds(
    Item, st.lists(options, min_size=1, max_size=4).map(tuple), st.sampled_from(["", "", "g", "h"])
)
limits = st.lists(st.builds(Limit, st.sampled_from(["error", "size"]), small), max_size=2)
problems = st.builds(
    AssignProblem, st.lists(items, max_size=5).map(tuple), st.just("time"), limits.map(tuple)
)


def by_brute_force(problem: AssignProblem) -> list[tuple[int, int]]:
    """Give (time, error) of every valid combination."""
    combinations = itertools.product(*(range(len(item.options)) for item in problem.items))
    return [
        (total(problem, choices, "time"), total(problem, choices, "error"))
        for choices in combinations
        if not assignment_faults(problem, choices)
    ]


@given(problems)
@settings(max_examples=80, deadline=None)
def test_the_answer_is_the_cheapest_of_all_combinations(problem: AssignProblem) -> None:
    answer, every = assign(problem), by_brute_force(problem)
    if not every:
        assert answer.bound.status == "infeasible"
        return
    assert answer.bound.status == "optimal"
    assert assignment_faults(problem, answer.choices) == ()
    assert total(problem, answer.choices, "time") == answer.bound.objective == min(every)[0]


@given(problems)
@settings(max_examples=60, deadline=None)
def test_a_narrow_search_states_a_bound_that_holds(problem: AssignProblem) -> None:
    answer, every = assign(problem, width=1), by_brute_force(problem)
    if answer.choices:
        assert assignment_faults(problem, answer.choices) == ()
        assert answer.bound.lower_bound <= min(every)[0] <= answer.bound.objective
        assert (answer.bound.status == "optimal") == (answer.bound.gap == 0)
    elif problem.items:
        assert answer.bound.status == "unknown" or not every


@given(problems)
@settings(max_examples=60, deadline=None)
def test_the_front_holds_every_pair_that_nothing_beats(problem: AssignProblem) -> None:
    every = set(by_brute_force(problem))
    unbeaten = {
        pair for pair in every if not any(o != pair and o[0] <= pair[0] and o[1] <= pair[1] for o in every)
    }
    front = pareto_front(problem, "error")
    assert front.whole
    if problem.items:
        assert [(point.cost, point.error) for point in front.points] == sorted(unbeaten)
    for point in front.points:
        assert total(problem, point.choices, "error") == point.error


def test_a_problem_done_by_hand() -> None:
    # 4 bits save 3 and 5 time units at errors 4 and 3; with at most 4 of error only the second may take them
    layers = tuple(
        Item((Option(time=slow, error=0), Option(time=fast, error=error)))
        for slow, fast, error in ((10, 7, 4), (10, 5, 3))
    )
    answer = assign(AssignProblem(layers, "time", (Limit("error", 4),)))
    assert answer.choices == (0, 1)
    assert (answer.bound.objective, answer.bound.lower_bound) == (15, 15)
    front = pareto_front(AssignProblem(layers, "time"), "error")
    assert [(p.cost, p.error) for p in front.points] == [(12, 7), (15, 3), (20, 0)]


def test_a_group_agrees_on_a_tag() -> None:
    # alone, the first would take "8" and the second "16"; together "16" costs 3 + 1, "8" 1 + 9
    first = Item((Option(time=1, tag="8"), Option(time=3, tag="16")), group="add")
    second = Item((Option(time=9, tag="8"), Option(time=1, tag="16")), group="add")
    assert assign(AssignProblem((first, second), "time")).choices == (1, 1)


def test_a_group_without_a_common_tag_is_infeasible() -> None:
    found = (Item((Option(tag="8"),), group="g"), Item((Option(tag="16"),), group="g"))
    assert assign(AssignProblem(found, "time")).bound.status == "infeasible"


def test_the_validator_names_each_fault() -> None:
    found = (Item((Option(error=5, tag="a"),), group="g"), Item((Option(error=2, tag="b"),), group="g"))
    problem = AssignProblem(found, "time", (Limit("error", 6),))
    assert assignment_faults(problem, (0,)) == ("2 items, but 1 choices",)
    assert assignment_faults(problem, (0, 3)) == ("item 1 has no option 3",)
    assert assignment_faults(problem, (0, 0)) == ("group g has the tags a, b", "error is 7, over the limit 6")


def test_sums_that_would_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="coarser unit"):
        AssignProblem((Item((Option(time=2**50),)),), "time")
