"""Orders of the lowest peak: worked out by hand, and against all orders of small graphs."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.solve.order.lowest import lowest_order
from deploykit.solve.order.problem import OrderProblem, Value, order_faults, peak, working_set_bound


def problem_of(
    count: int, edges: dict[tuple[int, ...], int], replace: dict[int, int] | None = None
) -> OrderProblem:
    """`edges` maps (writer, *readers) to a size; writer -1 is there from the start."""
    values = tuple(
        Value(size, None if ends[0] < 0 else ends[0], frozenset(ends[1:])) for ends, size in edges.items()
    )
    waits = [
        frozenset(v.writer for v in values if node in v.readers and v.writer is not None)
        for node in range(count)
    ]
    may = tuple(
        frozenset([replace[node]]) if replace and node in replace else frozenset() for node in range(count)
    )
    return OrderProblem(tuple(waits), values, may)


TWO_BRANCHES = problem_of(
    5,
    # 0 makes 1 byte for both branches; 1 and 3 make 10 of it, 2 and 4 make 1 of those 10
    {(0, 1, 3): 1, (1, 2): 10, (3, 4): 10, (2,): 1, (4,): 1},
)


def test_branches_run_one_after_the_other() -> None:
    # Side by side: 1 + 10 + 10 = 21 with node 3; one after the other: 1 + 10 + 1 = 12.
    assert peak(TWO_BRANCHES, [0, 1, 3, 2, 4]) == 21

    found = lowest_order(TWO_BRANCHES, [0, 1, 3, 2, 4], step_limit=100)

    assert (found.bound.status, found.bound.objective) == ("optimal", 12)
    assert peak(TWO_BRANCHES, found.order) == 12


def test_without_states_the_given_order_stays_with_its_bound() -> None:
    found = lowest_order(TWO_BRANCHES, [0, 1, 3, 2, 4], step_limit=0)

    assert found.order == (0, 1, 3, 2, 4)
    assert (found.bound.status, found.bound.objective, found.bound.lower_bound) == ("feasible", 21, 11)


def test_a_result_in_the_place_of_an_input_saves_its_bytes() -> None:
    # 1 writes over what 0 made, if 2 has read it before: 10 + 1, else 10 + 10
    problem = problem_of(3, {(0, 1, 2): 10, (1,): 10, (2,): 1}, {1: 0})

    assert peak(problem, [0, 1, 2]) == 20
    assert peak(problem, [0, 2, 1]) == 11
    assert lowest_order(problem, [0, 1, 2], step_limit=100).order == (0, 2, 1)


@st.composite
def problems(draw: st.DrawFn, most: int) -> OrderProblem:
    count = draw(st.integers(1, most))
    values = []
    for node in range(-1, count):
        for _ in range(draw(st.integers(0, 2))):
            later = range(node + 1, count)
            readers = draw(st.sets(st.sampled_from(later), max_size=3)) if later else set()
            values.append(Value(draw(st.integers(1, 20)), None if node < 0 else node, frozenset(readers)))
    waits = tuple(
        frozenset(v.writer for v in values if node in v.readers and v.writer is not None)
        for node in range(count)
    )
    may = []
    for node in range(count):
        written = [v.size for v in values if v.writer == node]
        fits = [
            index
            for index, v in enumerate(values)
            if node in v.readers and len(written) == 1 and v.size == written[0]
        ]
        may.append(frozenset(fits))
    return OrderProblem(waits, tuple(values), tuple(may))


@settings(max_examples=150, deadline=None)
@given(problem=problems(6))
def test_the_exact_search_finds_the_best_of_all_orders(problem: OrderProblem) -> None:
    count = len(problem.waits)
    best = min(
        peak(problem, order) for order in permutations(range(count)) if not order_faults(problem, order)
    )

    found = lowest_order(problem, range(count), step_limit=100_000)

    assert order_faults(problem, found.order) == ()
    assert (found.bound.status, found.bound.objective, peak(problem, found.order)) == ("optimal", best, best)
    assert working_set_bound(problem) <= best


@settings(max_examples=60, deadline=None)
@given(problem=problems(24), limit=st.integers(0, 12))
def test_with_few_states_it_is_never_worse_than_the_given_order(problem: OrderProblem, limit: int) -> None:
    given_order = range(len(problem.waits))

    found = lowest_order(problem, given_order, step_limit=limit)

    assert order_faults(problem, found.order) == ()
    assert found.bound.lower_bound <= found.bound.objective <= peak(problem, given_order)
    assert peak(problem, found.order) == found.bound.objective
