"""Builds assignments block by block, without those that cannot beat the best one known or are dominated.

A state is a partial assignment. Its bound is its cost and penalties plus the least that the rest can add
(`table.relaxed`). After Pisinger, "A minimal algorithm for the multiple-choice knapsack problem" (1995): the
Lagrangian bound leaves few options that can be part of a better answer, and dominance few states of those.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from deploykit.solve.assign.table import Ints, Table, penalised

COMPARED = 4096
"""With several limits, at most this many states are compared pair by pair."""


@dataclass(frozen=True)
class States:
    """Partial assignments: where each stands in the search's trail, its cost and its usage, a column a
    limit.
    """

    at: Ints
    cost: Ints
    usage: Ints

    def only(self, chosen: Ints) -> States:
        return States(self.at[chosen], self.cost[chosen], self.usage[chosen])


@dataclass
class Search:
    """One pass over the blocks. States whose bound lies above `ceiling` (scale x cost) are dropped.

    At most `width` states are kept after each item, those of the lowest bounds; `lowest` then bounds scale x
    cost of all that was dropped (None: nothing was). `steps` counts states.
    """

    table: Table
    multipliers: Ints
    ceiling: int
    width: int
    lowest: int | None = None
    steps: int = 0
    _parents: list[Ints] = field(default_factory=list)
    _rows: list[Ints] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _length: int = 0

    def run(self) -> States:
        """Search all blocks, the least decided last; give what is left by rising cost and falling usage."""
        table = self.table
        values = penalised(table, self.multipliers)
        by_item = np.minimum.reduceat(values, table.item_starts)
        by_tag = np.add.reduceat(by_item, table.tag_starts)
        by_block = np.minimum.reduceat(by_tag, table.block_starts)
        least_usage = self._least_usage()
        order = self._order(by_tag)
        value_left, usage_left = by_block.sum(), least_usage.sum(axis=0)
        closed = self._closed(values, by_item, by_tag, by_block)
        nothing = np.zeros(1, dtype=np.int64)
        states = States(nothing - 1, nothing, np.zeros((1, len(table.limits)), dtype=np.int64))
        for block in order:
            value_left = value_left - by_block[block]
            usage_left = usage_left - least_usage[block]
            found = [
                self._tag(states, tag, by_item, closed, int(value_left), usage_left)
                for tag in range(*_run(table.block_starts, block, len(table.tag_starts)))
            ]
            joined = States(
                np.concatenate([item.at for item in found]),
                np.concatenate([item.cost for item in found]),
                np.concatenate([item.usage for item in found]),
            )
            states = joined if len(found) == 1 else joined.only(undominated(joined.cost, joined.usage))
        return states

    def _tag(
        self, states: States, tag: int, by_item: Ints, closed: Ints, value_left: int, usage_left: Ints
    ) -> States:
        """Extend states by the items of one block at one tag; what is left then are the later blocks."""
        table = self.table
        first, end = _run(table.tag_starts, tag, len(table.item_starts))
        inner = int(by_item[first:end].sum())
        for run in range(first, end):
            inner -= int(by_item[run])
            rows = np.arange(*_run(table.item_starts, run, len(table.item)))
            needed = usage_left if run == end - 1 else np.zeros_like(usage_left)
            states = self._extend(states, rows[~closed[rows]], value_left + inner, needed)
        return states

    def _extend(self, states: States, rows: Ints, value_left: int, usage_left: Ints) -> States:
        table, count = self.table, len(rows)
        cost = (states.cost[:, None] + table.cost[rows]).reshape(-1)
        usage = (states.usage[:, None, :] + table.usage[rows]).reshape(-1, len(table.limits))
        bound = table.scale * cost + (usage - table.limits) @ self.multipliers + value_left
        kept = np.flatnonzero((bound <= self.ceiling) & (usage + usage_left <= table.limits).all(axis=1))
        kept = kept[undominated(cost[kept], usage[kept])]
        if len(kept) > self.width:
            by_bound = _by_bound(kept, bound, usage)
            dropped = int(bound[by_bound[self.width]])
            self.lowest = dropped if self.lowest is None else min(self.lowest, dropped)
            kept = np.sort(by_bound[: self.width])
        self._parents.append(states.at[kept // max(count, 1)].astype(np.int32))
        self._rows.append(rows[kept % max(count, 1)].astype(np.int32))
        self._starts.append(self._length)
        at = np.arange(self._length, self._length + len(kept))
        self._length += len(kept)
        self.steps += len(kept)
        return States(at, cost[kept], usage[kept])

    def _closed(self, values: Ints, by_item: Ints, by_tag: Ints, by_block: Ints) -> Ints:
        """Mark the rows whose bound, all others at their best, lies above the ceiling."""
        table = self.table
        run_of = np.searchsorted(table.item_starts, np.arange(len(values)), side="right") - 1
        tag_of = np.searchsorted(table.tag_starts, run_of, side="right") - 1
        block_of = np.searchsorted(table.block_starts, tag_of, side="right") - 1
        excess = values - by_item[run_of] + by_tag[tag_of] - by_block[block_of]
        bound = int(by_block.sum()) - int(self.multipliers @ table.limits)
        return np.asarray(excess > self.ceiling - bound)

    def _least_usage(self) -> Ints:
        """Give the least usage of each block, a column a limit."""
        table = self.table
        by_item = np.minimum.reduceat(table.usage, table.item_starts)
        by_tag = np.add.reduceat(by_item, table.tag_starts)
        return np.asarray(np.minimum.reduceat(by_tag, table.block_starts))

    def _order(self, by_tag: Ints) -> list[int]:
        """Put first the blocks in which the second choice costs most: they open few branches."""
        table = self.table
        values = penalised(table, self.multipliers)
        margins = []
        for block in range(len(table.blocks)):
            found: list[int] = []
            for tag in range(*_run(table.block_starts, block, len(table.tag_starts))):
                found.append(int(by_tag[tag]))
                for run in range(*_run(table.tag_starts, tag, len(table.item_starts))):
                    own = np.sort(values[slice(*_run(table.item_starts, run, len(table.item)))])
                    found += [int(by_tag[tag] + own[1] - own[0])] if len(own) > 1 else []
            found.sort()
            margins.append(found[1] - found[0] if len(found) > 1 else np.iinfo(np.int64).max)
        return sorted(range(len(margins)), key=lambda block: (-margins[block], block))

    def rows(self, at: int) -> Ints:
        """Follow a state back to the start; gives its rows of the table, one an item."""
        found = []
        while at >= 0:
            part = bisect_right(self._starts, at) - 1
            inside = at - self._starts[part]
            found.append(int(self._rows[part][inside]))
            at = int(self._parents[part][inside])
        return np.array(found, dtype=np.int64)


def _by_bound(kept: Ints, bound: Ints, usage: Ints) -> Ints:
    """Sort by bound, equal ones in an order without a pattern: neighbours in usage would fail together."""
    scattered = (usage[kept].sum(axis=1) * 0x9E3779B1) % (1 << 32)
    return np.asarray(kept[np.lexsort((scattered, bound[kept]))])


def undominated(cost: Ints, usage: Ints) -> Ints:
    """Give the indices of what no other one equals or beats in cost and every usage, by rising cost."""
    order = np.lexsort((*usage.T[::-1], cost))
    if not len(order) or not usage.shape[1]:
        return order[:1]
    if usage.shape[1] == 1:
        sorted_usage = usage[order, 0]
        before = np.minimum.accumulate(sorted_usage)
        return np.asarray(order[np.append(True, sorted_usage[1:] < before[:-1])])
    if len(order) > COMPARED:
        return order
    ordered = usage[order]
    beaten = np.zeros(len(order), dtype=bool)
    for index in range(len(order)):
        if not beaten[index]:
            beaten[index + 1 :] |= (ordered[index + 1 :] >= ordered[index]).all(axis=1)
    return np.asarray(order[~beaten])


def _run(starts: Ints, index: int, end: int) -> tuple[int, int]:
    return int(starts[index]), int(starts[index + 1]) if index + 1 < len(starts) else end
