"""The best choice for memory as one pool: what stays all the time shares it with what comes and goes.

For a reserve of units for what stays, the sweep finds the best of the rest. A larger reserve never helps the
rest, and the same choice stays the best up to the room that it leaves free; so reserves are walked upwards
from one such step to the next. Between two of them, nobody saves more than the rest at the lower and what
stays at the upper one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploykit.solve.banks.relax import Relaxation, Table
from deploykit.solve.banks.sweep import peak_of, plain_rows, sweep

Realise = Callable[[tuple[int, ...]], int]
"""Gives rows a place, as far as there is one, and says what is saved then."""

SWEEPS = 10
"""At most so many reserves are tried."""


FEW_ITEMS = 100
"""With more items than this the beam is narrower in proportion, so that a sweep takes about as long."""


@dataclass(frozen=True)
class Pooled:
    """No choice of memory as one pool saves more than `most`."""

    most: int
    steps: int


def best_pooled(table: Table, relaxation: Relaxation, realise: Realise, *, known: int, beam: int) -> Pooled:
    """Bound what can be saved, and hand good choices to `realise`; some choice saves `known` already."""
    rows = plain_rows(table)
    sizes = sorted(
        ((rows.needs[row][0][0], int(table.saving[row])) for row in rows.lasting),
        key=lambda item: -item[1] / item[0],
    )
    whole = min(table.room, sum(size for size, _ in sizes))
    stays = _fractional(sizes, whole)
    decided = sum(len(items) for items in rows.decided)
    beam = max(beam * FEW_ITEMS // max(decided, FEW_ITEMS), 1)
    most, steps, low, rest = known, 0, 0, relaxation.most_saving
    for _ in range(SWEEPS):
        found = sweep(table, rows, relaxation, room=table.room - low, more_than=known - stays, beam=beam)
        steps, rest = steps + found.steps, found.most
        if not found.rows:
            break
        known = max(known, realise(found.rows))
        free = table.room - peak_of(rows, found.rows)
        high = max(free, low + whole // SWEEPS)
        most = max(most, rest + _fractional(sizes, min(high, whole)))
        low = high + 1
        if low > whole:
            return Pooled(min(max(most, known), relaxation.most_saving), steps)
    return Pooled(min(max(most, known, rest + stays), relaxation.most_saving), steps)


def _fractional(sizes: list[tuple[int, int]], reserve: int) -> int:
    """Bound what items that stay save in so many units: the best a unit first, the last one in part."""
    total = 0.0
    for size, saving in sizes:
        if size > reserve:
            return int(total + saving * reserve / size) + 1
        total += saving
        reserve -= size
    return int(total)
