"""Checks a choice of banks pair by pair; it shares no code with the methods that make one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from deploykit.solve.banks.problem import BankProblem, Need
from deploykit.solve.banks.solution import Chosen, Stay

Placed = tuple[int, Need, Stay]


def choice_faults(problem: BankProblem, chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """Name every item, every place and every pair that breaks the rules; empty where the choice is valid."""
    faults = list(_option_faults(problem, chosen))
    if faults:
        return tuple(faults)  # without an option there are no needs to check
    placed: list[Placed] = [
        (item.item, need, stay)
        for item in chosen
        for need, stay in zip(problem.items[item.item][item.option].needs, item.stays, strict=True)
    ]
    faults += [fault for one in placed for fault in _place_faults(problem, *one)]
    faults += [
        f"{_said(*a)} and {_said(*b)} share bytes while both are alive"
        for a, b in combinations(placed, 2)
        if _collide(a, b)
    ]
    return (*faults, *_conflict_faults(problem, placed))


def _option_faults(problem: BankProblem, chosen: Sequence[Chosen]) -> Iterator[str]:
    seen: set[int] = set()
    for item in chosen:
        if not 0 <= item.item < len(problem.items):
            yield f"there is no item {item.item}"
        elif not 0 <= item.option < len(problem.items[item.item]):
            yield f"item {item.item} has no option {item.option}"
        elif len(item.stays) != len(problem.items[item.item][item.option].needs):
            yield f"item {item.item}: {len(item.stays)} places do not match its option's needs"
        if item.item in seen:
            yield f"item {item.item} is chosen twice"
        seen.add(item.item)


def _place_faults(problem: BankProblem, item: int, need: Need, stay: Stay) -> Iterator[str]:
    said = _said(item, need, stay)
    if not 0 <= stay.bank < problem.bank_count:
        yield f"{said}: there are banks 0 to {problem.bank_count - 1}"
    if stay.offset < 0 or stay.offset % problem.alignment:
        yield f"{said}: starts at no multiple of {problem.alignment} from 0 up"
    if stay.offset + need.size > problem.bank_size:
        yield f"{said}: ends after the bank's {problem.bank_size} bytes"


def _collide(a: Placed, b: Placed) -> bool:
    (_, need, stay), (_, other, place) = a, b
    in_time = need.first < other.end and other.first < need.end
    in_bytes = stay.offset < place.offset + other.size and place.offset < stay.offset + need.size
    return stay.bank == place.bank and in_time and in_bytes


def _conflict_faults(problem: BankProblem, placed: Sequence[Placed]) -> Iterator[str]:
    for conflict in problem.conflicts:
        for item, need, stay in placed:
            for other, need_b, stay_b in placed:
                both = need.first <= conflict.time < need.end and need_b.first <= conflict.time < need_b.end
                if (item, other) == (conflict.a, conflict.b) and both and stay.bank == stay_b.bank:
                    yield f"items {item} and {other} are both in bank {stay.bank} at time {conflict.time}"


def _said(item: int, need: Need, stay: Stay) -> str:
    end = stay.offset + need.size
    return f"item {item} (bank {stay.bank}, bytes {stay.offset} to {end}, times {need.first} to {need.end})"
