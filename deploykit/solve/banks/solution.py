"""What a choice of banks answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploykit.core.bounds import SolveBound
from deploykit.solve.banks.problem import BankProblem


@dataclass(frozen=True)
class Stay:
    """Where a need of the chosen option lies."""

    bank: int
    offset: int


@dataclass(frozen=True)
class Chosen:
    """An item's option, by its index, and a place for each of its needs."""

    item: int
    option: int
    stays: tuple[Stay, ...]


@dataclass(frozen=True)
class BankChoice:
    """The items that lie on chip, by rising index; the bound is on the saving that is missed."""

    chosen: tuple[Chosen, ...]
    bound: SolveBound


def saved(problem: BankProblem, chosen: Sequence[Chosen]) -> int:
    """Sum up the saving of the chosen options."""
    return sum(problem.items[item.item][item.option].saving for item in chosen)
