"""Chooses options for memory as one pool, slice of time by slice of time.

What is to come depends on the options that are still alive and on nothing else: of the partial choices with
the same options alive, the one that saves the most is kept. A partial choice whose saving and prospects, at
the relaxation's prices, don't beat what is known is dropped. Where more are left than the beam is wide, the
least promising go too, and the best prospect among those bounds what was given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from deploykit.solve.banks.relax import SCALE, Relaxation, Table, item_starts

Trail: TypeAlias = "tuple[int, Trail] | None"
"""The rows chosen so far, the last one first."""


Span: TypeAlias = tuple[int, int, int]
"""(size, first, end) of a need, in units and slices."""


FEW = 30
"""Fewer partial choices than this aren't compared with each other."""


class _Partial(NamedTuple):
    """A choice up to some slice. `bound` is its saving and prospects, in units of 1 / SCALE; `alive` are the
    needs at or after the slice, as (size, first, end); `used` is what they take at it."""

    bound: int
    saving: int
    alive: tuple[Span, ...]
    used: int
    trail: Trail


@dataclass(frozen=True)
class Sweep:
    """The rows that save the most, if they save more than was asked; no choice saves more than `most`."""

    rows: tuple[int, ...]
    saving: int
    most: int
    steps: int


@dataclass(frozen=True)
class Rows:
    """The table's rows as plain numbers: needs as (size, first, end), and which rows are decided when."""

    needs: tuple[tuple[Span, ...], ...]
    lasting: tuple[int, ...]
    """Rows of items whose one choice is to stay all the time."""
    decided: tuple[tuple[tuple[int, ...], ...], ...]
    """For each slice the items, as their rows, whose first need may start there."""


def plain_rows(table: Table) -> Rows:
    """Sort the rows into those that stay all the time and those that are decided at some slice."""
    ends = [*table.needs_at[1:], len(table.size)]
    columns = list(zip(table.size.tolist(), table.first.tolist(), table.end.tolist(), strict=True))
    needs = tuple(tuple(columns[start:end]) for start, end in zip(table.needs_at, ends, strict=True))
    lasting: list[int] = []
    decided: list[list[tuple[int, ...]]] = [[] for _ in range(table.slices)]
    starts = item_starts(table).tolist()
    for start, end in zip(starts, [*starts[1:], len(needs)], strict=True):
        rows = tuple(range(start, end))
        if len(rows) == 1 and [need[1:] for need in needs[start]] == [(0, table.slices)]:
            lasting.append(start)
        else:
            decided[min(needs[row][0][1] for row in rows)].append(rows)
    return Rows(needs, tuple(lasting), tuple(tuple(items) for items in decided))


def sweep(table: Table, rows: Rows, relaxation: Relaxation, *, room: int, more_than: int, beam: int) -> Sweep:
    """Choose rows, but for the lasting ones, for a pool of `room` units, that save more than this."""
    profit, saving = relaxation.profit.tolist(), table.saving.tolist()
    price = relaxation.price.tolist()
    hopes = sum(max(0, *(profit[row] for row in item)) for items in rows.decided for item in items)
    partials = [_Partial(sum(price) * room + hopes, 0, (), 0, None)]
    given_up, steps = 0, 0
    for time, items in enumerate(rows.decided):
        entering = (partial._replace(used=_used(partial.alive, time)) for partial in partials)
        partials = [partial for partial in entering if partial.used <= room]
        for item in items:
            best = max(0, *(profit[row] for row in item))
            grown: list[_Partial] = []
            for partial in partials:
                for row in (-1, *item):
                    made = _with(partial, row, best, profit, saving, rows, time, room)
                    if made is not None and made.bound // SCALE > more_than:
                        grown.append(made)
            steps += len(grown)
            partials, dropped = _best(grown, beam)
            given_up = max(given_up, dropped)
        partials = _merged(partials, time, price[time], room)
        partials = [partial for partial in partials if partial.bound // SCALE > more_than]
        if not partials:
            break
    winner = max(partials, key=lambda partial: partial.saving, default=None)
    reached = winner.saving if winner else 0
    most = max(reached, given_up // SCALE, more_than)
    return Sweep(_listed(winner.trail if winner else None), reached, most, steps)


def peak_of(rows: Rows, chosen: Sequence[int]) -> int:
    """Give the most units that these rows take at one time."""
    needs = [need for row in chosen for need in rows.needs[row]]
    return max((_used(needs, first) for _, first, _ in needs), default=0)


def _with(
    partial: _Partial,
    row: int,
    best: int,
    profit: Sequence[int],
    saving: Sequence[int],
    rows: Rows,
    time: int,
    room: int,
) -> _Partial | None:
    if row < 0:
        return partial._replace(bound=partial.bound - best)
    used = partial.used + sum(size for size, first, end in rows.needs[row] if first <= time < end)
    if used > room:
        return None
    return _Partial(
        partial.bound - best + profit[row],
        partial.saving + saving[row],
        (*partial.alive, *rows.needs[row]),
        used,
        (row, partial.trail),
    )


def _best(partials: list[_Partial], beam: int) -> tuple[list[_Partial], int]:
    """Keep the most promising; give the best bound among the others, too."""
    if len(partials) <= beam:
        return partials, 0
    partials.sort(key=lambda partial: -partial.bound)
    return partials[:beam], partials[beam].bound


def _merged(partials: Sequence[_Partial], time: int, price: int, room: int) -> list[_Partial]:
    """Pay for the room that a slice leaves empty, forget what is over, and keep the best of equal futures."""
    found: dict[tuple[Span, ...], _Partial] = {}
    for partial in partials:
        alive = tuple(
            sorted((size, max(first, time + 1), end) for size, first, end in partial.alive if end > time + 1)
        )
        paid = partial._replace(bound=partial.bound - price * (room - partial.used), alive=alive)
        if alive not in found or paid.saving > found[alive].saving:
            found[alive] = paid
    return _undominated(list(found.values()), time + 1)


def _undominated(partials: list[_Partial], time: int) -> list[_Partial]:
    """Drop partial choices that save no more than another and leave no more room at any later slice."""
    if len(partials) < FEW:
        return partials
    end = max((need[2] for partial in partials for need in partial.alive), default=time)
    partials.sort(key=lambda partial: -partial.saving)
    use = np.zeros((len(partials), max(end - time, 1)), dtype=np.int64)
    for row, partial in enumerate(partials):
        for size, first, last in partial.alive:
            use[row, first - time : last - time] += size
    kept: list[int] = []
    best = np.empty_like(use)
    for row in range(len(partials)):
        if not (best[: len(kept)] <= use[row]).all(axis=1).any():
            best[len(kept)] = use[row]
            kept.append(row)
    return [partials[row] for row in kept]


def _used(alive: Sequence[Span], time: int) -> int:
    return sum(size for size, first, end in alive if first <= time < end)


def _listed(trail: Trail) -> tuple[int, ...]:
    found = []
    while trail is not None:
        row, trail = trail
        found.append(row)
    return tuple(reversed(found))
