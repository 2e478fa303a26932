"""Banks: small problems worked out by hand and against all choices; every answer passes the validator."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.core.bounds import SolveBound
from deploykit.solve.banks.greedy import greedy_by_size
from deploykit.solve.banks.plan import plan_banks
from deploykit.solve.banks.problem import BankProblem, Conflict, Need, Option
from deploykit.solve.banks.relax import option_table, relax
from deploykit.solve.banks.solution import Chosen, Stay, saved
from deploykit.solve.banks.validate import choice_faults


def one(saving: int, size: int, first: int, end: int) -> tuple[Option, ...]:
    return (Option(saving, (Need(size, first, end),)),)


def test_two_small_tensors_beat_the_large_one_that_greedy_takes_first() -> None:
    problem = BankProblem((one(10, 6, 0, 4), one(8, 4, 0, 4), one(8, 4, 0, 4)), bank_count=1, bank_size=8)
    choice = plan_banks(problem)
    assert greedy_by_size(problem).saving == 10
    assert [chosen.item for chosen in choice.chosen] == [1, 2]
    # of 26 bytes, 16 are saved
    assert choice.bound.status == "optimal"
    assert (choice.bound.objective, choice.bound.lower_bound) == (10, 10)


def test_an_item_larger_than_a_bank_stays_off_chip_though_the_pool_would_hold_it() -> None:
    problem = BankProblem((one(5, 6, 0, 1),), bank_count=2, bank_size=4)
    choice = plan_banks(problem)
    assert choice.chosen == ()
    assert choice.bound == SolveBound("optimal", 5, 5, "nothing fits a bank")


def test_a_spilled_tensor_lives_on_chip_before_and_after_the_crowd() -> None:
    whole = Option(30, (Need(4, 0, 9),))
    apart = Option(20, (Need(4, 0, 3), Need(4, 6, 9)))
    problem = BankProblem(((whole, apart), one(25, 8, 3, 6)), bank_count=1, bank_size=8)
    choice = plan_banks(problem)
    assert saved(problem, choice.chosen) == 45
    assert choice.chosen[0].option == 1
    assert choice.bound.status == "optimal"


def test_conflicting_operands_get_different_banks_and_one_bank_holds_only_one_of_them() -> None:
    items = (one(5, 2, 0, 3), one(4, 2, 0, 3))
    conflict = (Conflict(0, 1, 2),)
    two = plan_banks(BankProblem(items, bank_count=2, bank_size=8, conflicts=conflict))
    assert {chosen.stays[0].bank for chosen in two.chosen} == {0, 1}
    single = BankProblem(items, bank_count=1, bank_size=8, conflicts=conflict)
    assert saved(single, plan_banks(single).chosen) == 5


def test_the_validator_names_each_kind_of_fault() -> None:
    items = (one(1, 4, 0, 2), one(1, 4, 1, 3))
    problem = BankProblem(items, bank_count=2, bank_size=8, alignment=4, conflicts=(Conflict(0, 1, 1),))
    good = (Chosen(0, 0, (Stay(0, 0),)), Chosen(1, 0, (Stay(1, 4),)))
    assert choice_faults(problem, good) == ()
    same_bank = (good[0], Chosen(1, 0, (Stay(0, 4),)))
    assert choice_faults(problem, same_bank) == ("items 0 and 1 are both in bank 0 at time 1",)
    overlap = choice_faults(problem, (good[0], Chosen(1, 0, (Stay(0, 0),))))
    assert overlap[0] == (
        "item 0 (bank 0, bytes 0 to 4, times 0 to 2) and item 1 (bank 0, bytes 0 to 4, times 1 to 3) "
        "share bytes while both are alive"
    )
    beyond = choice_faults(problem, (Chosen(0, 0, (Stay(2, 6),)),))
    assert [fault.split(": ")[1] for fault in beyond] == [
        "there are banks 0 to 1",
        "starts at no multiple of 4 from 0 up",
        "ends after the bank's 8 bytes",
    ]
    assert choice_faults(problem, (Chosen(0, 1, ()), Chosen(0, 0, (Stay(0, 0),)))) == (
        "item 0 has no option 1",
        "item 0 is chosen twice",
    )


needs = st.builds(
    lambda size, first, length: Need(size, first, first + length),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 3),
)
options = st.builds(Option, st.integers(1, 12), st.tuples(needs))
problems = st.builds(
    BankProblem,
    st.lists(st.lists(options, min_size=1, max_size=2).map(tuple), min_size=1, max_size=4).map(tuple),
    bank_count=st.integers(1, 2),
    bank_size=st.integers(2, 6),
    conflicts=st.lists(st.builds(Conflict, st.just(0), st.just(1), st.integers(0, 5)), max_size=1).map(
        lambda found: tuple(found)
    ),
)


@settings(max_examples=60, deadline=None)
@given(problems)
def test_small_problems_are_solved_as_well_as_by_trying_everything(problem: BankProblem) -> None:
    if len(problem.items) < 2:
        problem = BankProblem(problem.items, problem.bank_count, problem.bank_size)
    choice = plan_banks(problem, step_limit=20_000)
    assert choice_faults(problem, choice.chosen) == ()
    best = _best_of_all(problem)
    assert saved(problem, choice.chosen) == best
    assert choice.bound.status == "optimal"
    assert choice.bound.objective == problem.most_saving - best
    assert relax(option_table(problem), known=0).most_saving >= best


def _best_of_all(problem: BankProblem) -> int:
    """Try every option, bank and offset of every item."""
    rows: list[list[Chosen | None]] = []
    for item, listed in enumerate(problem.items):
        places: list[Chosen | None] = [None]
        for at in range(len(listed)):
            for bank in range(problem.bank_count):
                places += [Chosen(item, at, (Stay(bank, offset),)) for offset in range(problem.bank_size)]
        rows.append(places)
    best = 0

    def descend(item: int, chosen: tuple[Chosen, ...]) -> None:
        nonlocal best
        if choice_faults(problem, chosen):
            return
        if item == len(rows):
            best = max(best, saved(problem, chosen))
            return
        for place in rows[item]:
            descend(item + 1, chosen if place is None else (*chosen, place))

    descend(0, ())
    return best


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_larger_problems_are_valid_and_no_worse_than_greedy(seed: int) -> None:
    generator = Random(seed)
    items = []
    for _ in range(30):
        size, first, length = generator.randint(1, 40), generator.randint(0, 30), generator.randint(1, 8)
        whole = Option(size * 3, (Need(size, first, first + length),))
        part = Option(size, (Need(size, first, first + 1),))
        items.append((whole, part))
    problem = BankProblem(tuple(items), bank_count=2, bank_size=48, alignment=4)
    choice = plan_banks(problem, step_limit=300)
    assert choice_faults(problem, choice.chosen) == ()
    assert saved(problem, choice.chosen) >= greedy_by_size(problem).saving
    assert choice.bound.lower_bound <= choice.bound.objective
    assert plan_banks(problem, step_limit=300) == choice


def test_a_reserve_for_what_stays_is_traded_against_what_comes_and_goes() -> None:
    # A resident item of 4 saves 10 a frame; each of three tensors of 6 saves 9 in its own time: 8 bytes hold
    # either, not both. Two stages' tensors (18) beat the resident one with none of them (10).
    items = (one(10, 4, 0, 3), one(9, 6, 0, 1), one(9, 6, 1, 2), one(2, 3, 2, 3))
    problem = BankProblem(items, bank_count=1, bank_size=8)
    choice = plan_banks(problem)
    assert saved(problem, choice.chosen) == 20
    assert [chosen.item for chosen in choice.chosen] == [1, 2, 3]
    assert choice.bound.status == "optimal"
