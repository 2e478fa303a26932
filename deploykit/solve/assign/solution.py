"""What an assignment method answers."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class Assignment:
    """The option of each item, by index, with what is known of the sum; no choices where none is feasible."""

    choices: tuple[int, ...]
    bound: SolveBound


@dataclass(frozen=True)
class FrontPoint:
    """An assignment that nothing beats in both measures: its sums, and its choices."""

    cost: int
    error: int
    choices: tuple[int, ...]


@dataclass(frozen=True)
class Front:
    """Assignments by rising cost and falling error. `whole` says that no other such pair of sums exists.

    Where it is not, each point is still one that nothing beats, unless `exact` is False too (a search gave
    up).
    """

    points: tuple[FrontPoint, ...]
    whole: bool
    exact: bool
