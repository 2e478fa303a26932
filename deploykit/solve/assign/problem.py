"""What is assigned: items that each take one of their options, under limits on sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Measure: TypeAlias = Literal["time", "size", "energy", "error"]

LARGEST_TOTAL = 2**50
"""Sums stay below this, so that bounds are exact in 64-bit integers."""


@dataclass(frozen=True)
class Option:
    """What an option adds to each sum, none of them negative. `tag` is what the items of a group agree on."""

    time: int = 0
    size: int = 0
    energy: int = 0
    error: int = 0
    tag: str = ""

    def measure(self, name: Measure) -> int:
        """Give one measure by its name."""
        value: int = getattr(self, name)
        return value


@dataclass(frozen=True)
class Item:
    """Takes exactly one option. Items of one `group` take options with one tag; "" stands alone."""

    options: tuple[Option, ...]
    group: str = ""


@dataclass(frozen=True)
class Limit:
    """The sum of a measure over the chosen options is at most this."""

    measure: Measure
    most: int


@dataclass(frozen=True)
class AssignProblem:
    """A multiple-choice knapsack: an option for each item, the least sum of `minimise`, every limit kept.

    Raises:
        ValueError: an item without options, a negative measure, sums of `LARGEST_TOTAL` or more.
    """

    items: tuple[Item, ...]
    minimise: Measure
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        for measure in (self.minimise, *(limit.measure for limit in self.limits)):
            most = 0
            for index, item in enumerate(self.items):
                values = [option.measure(measure) for option in item.options]
                if not values or min(values) < 0:
                    raise ValueError(f"item {index} needs options, none of negative {measure}")
                most += max(values)
            if most >= LARGEST_TOTAL:
                raise ValueError(f"the sum of {measure} can reach {most}: take a coarser unit")


def total(problem: AssignProblem, choices: Sequence[int], measure: Measure) -> int:
    """Sum up a measure over the chosen options."""
    return sum(
        item.options[choice].measure(measure) for item, choice in zip(problem.items, choices, strict=True)
    )
