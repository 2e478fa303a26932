"""What is chosen: for each item one of its options, each a few rectangles that need a bank and an offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Need:
    """`size` bytes of one bank over the half-open time interval [first, end)."""

    size: int
    first: int
    end: int

    def __post_init__(self) -> None:
        if self.size < 1 or self.first >= self.end:
            raise ValueError(f"a need has a size and a lifetime: {self}")


@dataclass(frozen=True)
class Option:
    """One way to keep an item on the chip: what it needs, and the off-chip bytes that it saves.

    Several needs are several stays: between them the item lies off chip only.
    """

    saving: int
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class Conflict:
    """Two items that want different banks at a time, because one operator reads or writes both."""

    a: int
    b: int
    time: int


@dataclass(frozen=True)
class BankProblem:
    """Choose at most one option an item, and a bank and an offset for each of its needs.

    Offsets are multiples of `alignment`; no two needs that are alive together share a byte of a bank, and
    none crosses a bank's end. The objective is the least saving that is missed: `most_saving` - what the
    chosen options save.
    """

    items: tuple[tuple[Option, ...], ...]
    bank_count: int
    bank_size: int
    alignment: int = 1
    conflicts: tuple[Conflict, ...] = ()

    @cached_property
    def room(self) -> int:
        """A bank's bytes that aligned needs can use."""
        return self.bank_size // self.alignment * self.alignment

    @property
    def most_saving(self) -> int:
        """What would be saved if each item had its best option; no choice saves more."""
        return sum(max((option.saving for option in options), default=0) for options in self.items)

    def rounded(self, size: int) -> int:
        """Round a size up to the alignment."""
        return -(-size // self.alignment) * self.alignment

    def fits(self, option: Option) -> bool:
        """Say whether each need of an option fits an empty bank."""
        return all(self.rounded(need.size) <= self.room for need in option.needs)

    @cached_property
    def rivals(self) -> dict[int, tuple[tuple[int, int], ...]]:
        """The conflicts of each item, as (other item, time)."""
        found: dict[int, list[tuple[int, int]]] = {}
        for conflict in self.conflicts:
            found.setdefault(conflict.a, []).append((conflict.b, conflict.time))
            found.setdefault(conflict.b, []).append((conflict.a, conflict.time))
        return {item: tuple(others) for item, others in found.items()}
