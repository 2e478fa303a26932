"""A problem as flat arrays, and its Lagrangian bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deploykit.solve.assign.problem import AssignProblem

Ints: TypeAlias = NDArray[Any]

SCALED_TOTAL = 2**50
"""Costs are scaled up to this sum, so that whole-number multipliers are fine enough."""

PENALTY_TOTAL = 2**60
"""The most that the penalties of one limit may add up to."""

ROUNDS = 24
"""Passes over the multipliers; one is enough for one limit."""


@dataclass(frozen=True)
class Table:
    """All options that a block can take, sorted by block, tag and item.

    A block is a group's items, or one item alone. `item_starts` begins each run of one (block, tag, item),
    `tag_starts` (in runs) each (block, tag), `block_starts` (in tags) each block. `usage` has a column a
    limit. Tags that some item of the block has no option for are left out.
    """

    blocks: tuple[tuple[int, ...], ...]
    item: Ints
    choice: Ints
    cost: Ints
    usage: Ints
    limits: Ints
    scale: int
    item_starts: Ints
    tag_starts: Ints
    block_starts: Ints


@dataclass(frozen=True)
class Relaxed:
    """The best rows under multipliers: bound on `scale` x cost, and the rows that reach it, one an item."""

    bound: int
    rows: Ints


def build_table(problem: AssignProblem) -> Table | None:
    """Flatten a problem; None where a group's items have no tag in common."""
    members: dict[str, list[int]] = {}
    for index, item in enumerate(problem.items):
        members.setdefault(item.group or f" {index}", []).append(index)
    blocks = tuple(tuple(found) for found in members.values())
    rows: list[tuple[int, int]] = []
    item_starts: list[int] = []
    tag_starts: list[int] = []
    block_starts: list[int] = []
    for block in blocks:
        block_starts.append(len(tag_starts))
        for tag in _common_tags(problem, block):
            tag_starts.append(len(item_starts))
            for index in block:
                item_starts.append(len(rows))
                alone = not problem.items[index].group
                for choice, option in enumerate(problem.items[index].options):
                    rows += [(index, choice)] if alone or option.tag == tag else []
        if block_starts[-1] == len(tag_starts):
            return None
    options = [problem.items[index].options[choice] for index, choice in rows]
    cost = np.array([option.measure(problem.minimise) for option in options], dtype=np.int64)
    usage = np.array(
        [[option.measure(limit.measure) for limit in problem.limits] for option in options], dtype=np.int64
    ).reshape(len(rows), len(problem.limits))
    most = sum(max(option.measure(problem.minimise) for option in item.options) for item in problem.items)
    return Table(
        blocks,
        np.array([index for index, _ in rows], dtype=np.int64),
        np.array([choice for _, choice in rows], dtype=np.int64),
        cost,
        usage,
        np.array([limit.most for limit in problem.limits], dtype=np.int64),
        max(1, SCALED_TOTAL // max(most, 1)),
        np.array(item_starts, dtype=np.int64),
        np.array(tag_starts, dtype=np.int64),
        np.array(block_starts, dtype=np.int64),
    )


def _common_tags(problem: AssignProblem, block: Sequence[int]) -> list[str]:
    if not problem.items[block[0]].group:
        return [""]
    found = [dict.fromkeys(option.tag for option in problem.items[index].options) for index in block]
    return [tag for tag in found[0] if all(tag in tags for tags in found)]


def choices_of(table: Table, rows: Ints) -> tuple[int, ...]:
    """Give the chosen option of each item, by rows of the table in any order."""
    chosen = dict(zip(table.item[rows].tolist(), table.choice[rows].tolist(), strict=True))
    return tuple(chosen[index] for index in range(len(rows)))


def penalised(table: Table, multipliers: Ints) -> Ints:
    """Give scale x cost + multipliers x usage of each row."""
    return np.asarray(table.scale * table.cost + table.usage @ multipliers)


def relaxed(table: Table, multipliers: Ints) -> Relaxed:
    """Solve without the limits, each unit of usage at its multiplier: a bound on every feasible cost."""
    values = penalised(table, multipliers)
    by_item = np.minimum.reduceat(values, table.item_starts)
    by_tag = np.add.reduceat(by_item, table.tag_starts)
    by_block = np.minimum.reduceat(by_tag, table.block_starts)
    bound = int(by_block.sum()) - int(multipliers @ table.limits)
    tag_ends = np.append(table.tag_starts[1:], len(table.item_starts))
    ends = np.append(table.item_starts[1:], len(values))
    block_ends = np.append(table.block_starts[1:], len(table.tag_starts))
    rows = []
    for first, end in zip(table.block_starts, block_ends, strict=True):
        tag = first + int(by_tag[first:end].argmin())
        for run in range(table.tag_starts[tag], tag_ends[tag]):
            start = table.item_starts[run]
            rows.append(start + int(values[start : ends[run]].argmin()))
    return Relaxed(bound, np.array(rows, dtype=np.int64))


def best_multipliers(table: Table) -> tuple[Ints, int, list[Ints]]:
    """Raise the bound by one multiplier after the other; give them, the bound, and the rows met on the way.

    The bound is concave in each multiplier and the usage of its rows falls, so that halving finds the best;
    with several limits this can stop short of the best pair, and the bound is still one.
    """
    multipliers = np.zeros(len(table.limits), dtype=np.int64)
    best = relaxed(table, multipliers)
    met = [best.rows]
    for _ in range(ROUNDS if len(table.limits) > 1 else 1):
        before = best.bound
        for at in range(len(table.limits)):
            for trial in _halved(table, multipliers, at, met):
                found = relaxed(table, trial)
                if found.bound > best.bound:
                    best, multipliers = found, trial
        if best.bound == before:
            break
    return multipliers, best.bound, met


def _halved(table: Table, multipliers: Ints, at: int, met: list[Ints]) -> tuple[Ints, Ints]:
    """Give the multipliers on both sides of where the usage comes under limit `at`."""
    low, high = 0, PENALTY_TOTAL // max(1, int(table.usage[:, at].max()) * len(table.item_starts))
    trial = multipliers.copy()
    while low < high:
        trial[at] = (low + high) // 2
        rows = relaxed(table, trial).rows
        met.append(rows)
        if table.usage[rows, at].sum() <= table.limits[at]:
            high = int(trial[at])
        else:
            low = int(trial[at]) + 1
    over, under = trial.copy(), trial.copy()
    over[at], under[at] = max(low - 1, 0), low
    met.append(relaxed(table, under).rows)
    return over, under
