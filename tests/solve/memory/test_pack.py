"""Packings are valid on any problem, meet known optima, and say what they don't know."""

from __future__ import annotations

import csv
import os
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.solve.memory.certificate import fullest_instant
from deploykit.solve.memory.compiled import core
from deploykit.solve.memory.greedy import RULES, place_in_order
from deploykit.solve.memory.pack import pack, time_parts
from deploykit.solve.memory.problem import PackingProblem, Rectangle, lower_bound, peak
from deploykit.solve.memory.search import fit
from deploykit.solve.memory.validate import packing_faults

GOLDEN = os.environ.get("DEPLOYKIT_GOLDEN", "")


def rectangles(most: int, most_size: int = 12) -> st.SearchStrategy[tuple[Rectangle, ...]]:
    one = st.builds(
        lambda size, first, length: Rectangle(size, first, first + length),
        st.integers(1, most_size),
        st.integers(0, 9),
        st.integers(1, 6),
    )
    return st.lists(one, max_size=most).map(tuple)


def best_of_all_orders(problem: PackingProblem) -> int:
    """Every packing can be pushed down and then rebuilt lowest first, so one order is optimal."""
    orders = permutations(range(len(problem.rectangles)))
    return min(peak(problem, place_in_order(problem, order, fit="first")) for order in orders)


@given(rectangles(40), st.sampled_from([1, 4, 64]))
@settings(max_examples=60, deadline=None)
def test_any_problem_gets_a_valid_packing_not_below_its_bound(
    items: tuple[Rectangle, ...], alignment: int
) -> None:
    problem = PackingProblem(items, alignment)

    packing = pack(problem, node_limit=300)

    assert packing_faults(problem, packing.offsets) == ()
    assert lower_bound(problem) <= packing.bound.lower_bound <= packing.bound.objective
    assert packing.bound.objective == peak(problem, packing.offsets)
    assert all(offset % alignment == 0 for offset in packing.offsets)


@given(rectangles(6, most_size=7))
@settings(max_examples=60, deadline=None)
def test_small_problems_are_solved_exactly(items: tuple[Rectangle, ...]) -> None:
    problem = PackingProblem(items)

    packing = pack(problem)

    assert packing.bound.status == "optimal"
    assert packing.bound.objective == best_of_all_orders(problem)


@given(rectangles(6, most_size=7), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_a_search_says_none_only_where_there_is_none(items: tuple[Rectangle, ...], below: int) -> None:
    problem = PackingProblem(items or (Rectangle(1, 0, 1),))
    best = best_of_all_orders(problem)

    outcome = fit(problem, best - below, node_limit=10_000)

    assert outcome.status == ("none" if below else "found")


@given(rectangles(25))
@settings(max_examples=20, deadline=None)
def test_the_same_problem_gives_the_same_packing(items: tuple[Rectangle, ...]) -> None:
    assert pack(PackingProblem(items), node_limit=200) == pack(PackingProblem(items), node_limit=200)


def test_the_gap_below_the_lowest_neighbour_is_used() -> None:
    # A published planner overlooked it: three buffers, 240 bytes where 180 do.
    #   A 120 bytes over [0, 2), B 60 bytes over [1, 3), C 120 bytes over [2, 4)
    # A at 0 puts B at 120; C meets only B and fits below it, at 0.
    problem = PackingProblem((Rectangle(120, 0, 2), Rectangle(60, 1, 3), Rectangle(120, 2, 4)))

    for rule in RULES.values():
        keys = [rule(item.size, item.first, item.end) for item in problem.rectangles]
        order = sorted(range(3), key=lambda index: keys[index])
        assert peak(problem, place_in_order(problem, order, fit="first")) == 180
        assert peak(problem, place_in_order(problem, order, fit="best")) == 180
    assert pack(problem).bound.objective == lower_bound(problem) == 180


def test_sizes_are_rounded_to_the_alignment() -> None:
    # Two that meet: 1 and 65 bytes take 64 and 128 at an alignment of 64.
    packing = pack(PackingProblem((Rectangle(1, 0, 2), Rectangle(65, 1, 3)), 64))

    assert packing.bound.objective == packing.bound.lower_bound == 192


def test_half_open_lifetimes_that_touch_may_share_bytes() -> None:
    packing = pack(PackingProblem((Rectangle(8, 0, 3), Rectangle(8, 3, 5))))

    assert packing.offsets == (0, 0)


def test_parts_without_common_time_are_apart() -> None:
    problem = PackingProblem((Rectangle(1, 5, 9), Rectangle(1, 0, 2), Rectangle(1, 1, 4), Rectangle(1, 4, 5)))

    assert time_parts(problem) == [[1, 2], [3], [0]]


def test_nothing_to_pack_takes_nothing() -> None:
    assert pack(PackingProblem(())).bound.objective == 0


def test_the_validator_names_the_pair_that_collides() -> None:
    problem = PackingProblem((Rectangle(8, 0, 2), Rectangle(8, 1, 3), Rectangle(8, 2, 4)))

    assert packing_faults(problem, (0, 8, 0)) == ()
    (fault,) = packing_faults(problem, (0, 4, 12))
    assert "rectangles 0 (bytes 0 to 8, times 0 to 2) and 1 (bytes 4 to 12, times 1 to 3)" in fault


def test_the_validator_names_crooked_offsets_and_missing_ones() -> None:
    problem = PackingProblem((Rectangle(8, 0, 2), Rectangle(8, 2, 3)), 4)

    assert packing_faults(problem, (0,)) == ("2 rectangles, but 1 offsets",)
    assert len(packing_faults(problem, (-4, 2))) == 2


def test_the_validator_names_what_ends_above_the_height() -> None:
    problem = PackingProblem((Rectangle(8, 0, 2), Rectangle(5, 0, 2)), 4)  # 5 bytes take 8

    assert packing_faults(problem, (0, 8), height=16) == ()
    assert packing_faults(problem, (0, 8), height=13) == (
        "rectangle 1 ends at 16, above the 13 bytes that there are",
    )


def test_a_rectangle_needs_a_size_and_a_lifetime() -> None:
    with pytest.raises(ValueError, match="needs a size"):
        Rectangle(0, 0, 1)
    with pytest.raises(ValueError, match="needs a size"):
        Rectangle(1, 2, 2)


@given(rectangles(6, most_size=7), st.integers(-2, 2))
@settings(max_examples=60, deadline=None)
def test_a_capacity_is_answered_exactly_on_small_problems(items: tuple[Rectangle, ...], more: int) -> None:
    problem = PackingProblem(items or (Rectangle(1, 0, 1),))
    best = best_of_all_orders(problem)

    packing = pack(problem, capacity=best + more)

    assert packing_faults(problem, packing.offsets) == ()
    assert packing.bound.objective == peak(problem, packing.offsets)
    if more < 0:
        assert packing.bound.status == "infeasible"
        assert best + more < packing.bound.lower_bound <= best
    else:
        assert packing.bound.status in ("optimal", "feasible")
        assert packing.bound.objective <= best + more


def test_the_certificate_names_the_instant_and_who_is_alive() -> None:
    # At time 2: 5 + 3 + 4 rounded to 4 each = 8 + 4 + 4 = 16; two of them at any other time.
    problem = PackingProblem((Rectangle(3, 2, 4), Rectangle(5, 0, 3), Rectangle(4, 1, 9)), 4)

    instant = fullest_instant(problem)

    assert (instant.time, instant.size, instant.alive) == (2, 16, (1, 0, 2))
    assert pack(problem, capacity=15).bound.status == "infeasible"


UNEVEN = tuple(
    Rectangle(*item)
    for item in (
        (3, 0, 3), (3, 0, 4), (1, 3, 7), (2, 3, 6), (1, 4, 6), (2, 4, 5), (1, 5, 6), (1, 5, 7), (4, 6, 8), (2, 7, 8)
    )
)  # fmt: skip
"""At every time 6 bytes are alive, and yet no packing takes 6: found by trying random full problems."""


def any_packing_fits(items: tuple[Rectangle, ...], capacity: int, placed: tuple[int, ...] = ()) -> bool:
    """Try every offset of every rectangle."""
    if len(placed) == len(items):
        return True
    item = items[len(placed)]
    for offset in range(capacity - item.size + 1):
        clear = all(
            not item.meets(other) or offset + item.size <= at or at + other.size <= offset
            for other, at in zip(items, placed, strict=False)
        )
        if clear and any_packing_fits(items, capacity, (*placed, offset)):
            return True
    return False


def test_no_instant_is_over_capacity_and_still_nothing_fits() -> None:
    problem = PackingProblem(UNEVEN)

    assert fullest_instant(problem).size == 6
    assert not any_packing_fits(UNEVEN, 6)
    assert any_packing_fits(UNEVEN, 7)
    packing = pack(problem, capacity=6)
    assert (packing.bound.status, packing.bound.lower_bound) == ("infeasible", 7)
    assert pack(problem).bound.objective == 7


def test_a_search_that_gives_up_says_unknown() -> None:
    packing = pack(PackingProblem(UNEVEN), capacity=6, node_limit=0)

    assert (packing.bound.status, packing.bound.lower_bound) == ("unknown", 6)


@given(rectangles(25), st.data())
@settings(max_examples=80, deadline=None)
def test_a_planted_overlap_is_found(items: tuple[Rectangle, ...], data: st.DataObject) -> None:
    problem = PackingProblem(items)
    offsets = list(pack(problem, node_limit=0).offsets)
    pairs = [
        (a, b) for a in range(len(items)) for b in range(len(items)) if a != b and items[a].meets(items[b])
    ]
    if not pairs:
        return
    a, b = data.draw(st.sampled_from(pairs))
    offsets[a] = offsets[b] + data.draw(st.integers(0, items[b].size - 1))

    faults = packing_faults(problem, offsets)

    named = f"rectangles {min(a, b)} (bytes"
    assert any(fault.startswith(named) and f" and {max(a, b)} (bytes" in fault for fault in faults)


def published(path: str) -> PackingProblem:
    with (Path(GOLDEN) / path).open() as file:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return PackingProblem(tuple(Rectangle(row["size"], row["lower"], row["upper"]) for row in rows))


@pytest.mark.skipif(
    not GOLDEN, reason="the published instances lie outside the project: set DEPLOYKIT_GOLDEN"
)
@pytest.mark.parametrize("name", ["lifetimes/G_1.csv", "lifetimes/resnet50.csv"])
def test_published_lifetimes_of_networks_are_packed_at_their_bound(name: str) -> None:
    problem = published(name)

    packing = pack(problem)

    assert packing_faults(problem, packing.offsets) == ()
    assert packing.bound.status == "optimal"


@pytest.mark.skipif(
    not GOLDEN or core() is None, reason="needs DEPLOYKIT_GOLDEN and, to be quick, the compiled core"
)
@pytest.mark.parametrize("name", "ABCDEFGH")
def test_published_instances_are_solved_at_their_capacity(name: str) -> None:
    problem = published(f"minimalloc/{name}.1048576.csv")

    packing = pack(problem, capacity=1_048_576, node_limit=1_000_000)

    assert packing_faults(problem, packing.offsets) == ()
    assert packing.bound.objective <= 1_048_576
