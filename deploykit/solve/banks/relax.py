"""An upper bound on what banks can save: on-chip memory as one pool whose bytes have a price at each time.

At any prices that aren't negative, no choice saves more than the pool's value plus each item's best option
after it has paid for its bytes (Lagrangian relaxation of the capacity at each time). Prices rise where the
best options overfill the pool, and fall where they leave room (subgradient steps). The bound is computed in
whole numbers, so that it holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deploykit.solve.banks.problem import BankProblem

Ints: TypeAlias = NDArray[Any]

SCALE = 1 << 16
"""Prices are multiples of 1 / SCALE bytes saved a byte of memory and time slice."""

PATIENCE = 20
"""So many steps without a better bound halve the step."""


@dataclass(frozen=True)
class Table:
    """All options that fit an empty bank, in columns; `needs_at` says where each option's needs begin.

    Times are slices between the needs' starts: `first` and `end` are slice indices, `size` counts units of
    the alignment.
    """

    item: Ints
    option: Ints
    saving: Ints
    needs_at: Ints
    size: Ints
    first: Ints
    end: Ints
    slices: int
    room: int


@dataclass(frozen=True)
class Relaxation:
    """`most_saving` bounds what can be saved; `profit` is each option's saving less the price of its bytes at
    the best prices, in units of 1 / SCALE; `slack` is the pool's value there, `price` that of each slice."""

    most_saving: int
    profit: Ints
    slack: int
    price: Ints


def option_table(problem: BankProblem) -> Table:
    """Lay the options out as columns, over slices of time."""
    rows = [
        (item, at, option)
        for item, options in enumerate(problem.items)
        for at, option in enumerate(options)
        if option.needs and problem.fits(option)
    ]
    needs = [need for _, _, option in rows for need in option.needs]
    starts = np.unique(np.array([need.first for need in needs], dtype=np.int64))
    counts = np.array([len(option.needs) for _, _, option in rows], dtype=np.int64)
    return Table(
        item=np.array([item for item, _, _ in rows], dtype=np.int64),
        option=np.array([at for _, at, _ in rows], dtype=np.int64),
        saving=np.array([option.saving for _, _, option in rows], dtype=np.int64),
        needs_at=np.cumsum(counts) - counts,
        size=np.array([problem.rounded(need.size) // problem.alignment for need in needs], dtype=np.int64),
        first=np.searchsorted(starts, np.array([need.first for need in needs], dtype=np.int64)),
        end=np.searchsorted(starts, np.array([need.end for need in needs], dtype=np.int64)),
        slices=len(starts),
        room=problem.bank_count * (problem.room // problem.alignment),
    )


def relax(table: Table, *, known: int, steps: int = 600) -> Relaxation:
    """Look for prices whose bound is low; `known` is a saving that some choice reaches."""
    price = np.zeros(table.slices, dtype=np.float64)
    best = _bound(table, price)
    pace, since = 1.0, 0
    here = best
    for _ in range(steps):
        if best.most_saving <= known:
            break
        over = _use(table, here.profit) - table.room
        direction = np.where((price <= 0) & (over < 0), 0, over).astype(np.float64)
        norm = float(direction @ direction)
        if norm == 0:
            break
        price = np.maximum(price + pace * max(here.most_saving - known, 1) / norm * direction, 0.0)
        here = _bound(table, price)
        since += 1
        if here.most_saving < best.most_saving:
            best, since = here, 0
        if since >= PATIENCE:
            pace, since = pace / 2, 0
    return best


def _bound(table: Table, price: NDArray[np.float64]) -> Relaxation:
    whole = np.rint(price * SCALE).astype(np.int64)
    prefix = np.concatenate(([0], np.cumsum(whole)))
    slack = int(whole.sum()) * table.room
    if not len(table.item):
        return Relaxation(0, np.zeros(0, dtype=np.int64), slack, whole)
    paid = np.add.reduceat(table.size * (prefix[table.end] - prefix[table.first]), table.needs_at)
    profit = table.saving * SCALE - paid
    total = slack + int(np.maximum(np.maximum.reduceat(profit, item_starts(table)), 0).sum())
    return Relaxation(total // SCALE, profit, slack, whole)


def item_starts(table: Table) -> Ints:
    """Give the row at which each item's options begin."""
    return np.flatnonzero(np.concatenate(([True], table.item[1:] != table.item[:-1])))


def _use(table: Table, profit: Ints) -> Ints:
    """Give the units that the items' best options take at each slice."""
    starts = item_starts(table)
    counts = np.diff(np.append(starts, len(profit)))
    best = np.repeat(np.maximum.reduceat(profit, starts), counts)
    winners = np.flatnonzero((profit == best) & (profit > 0))
    _, firsts = np.unique(table.item[winners], return_index=True)  # one row an item, where several are equal
    chosen = np.zeros(len(profit), dtype=bool)
    chosen[winners[firsts]] = True
    needs = np.repeat(chosen, np.diff(np.append(table.needs_at, len(table.size))))
    change = np.zeros(table.slices + 1, dtype=np.int64)
    np.add.at(change, table.first[needs], table.size[needs])
    np.add.at(change, table.end[needs], -table.size[needs])
    return np.cumsum(change)[:-1]
