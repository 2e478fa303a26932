"""Fills banks by the profit of each option, then empties parts of them and fills them anew."""

from __future__ import annotations

from random import Random

from deploykit.solve.banks.layout import Layout
from deploykit.solve.banks.problem import BankProblem
from deploykit.solve.banks.relax import Relaxation, Table

Options = dict[int, list[tuple[int, int]]]
"""(profit, option) of each item, the most profitable first."""


def ranked_options(table: Table, relaxation: Relaxation) -> Options:
    """Give each item's options by falling profit at the relaxation's prices."""
    found: Options = {}
    for item, option, profit in zip(table.item, table.option, relaxation.profit, strict=True):
        found.setdefault(int(item), []).append((int(profit), int(option)))
    return {item: sorted(options, reverse=True) for item, options in found.items()}


def fill(layout: Layout, items: list[int], options: Options) -> int:
    """Put items in this order, each by the first of its options that finds a place; give the tries."""
    tries = 0
    for item in items:
        for _, option in options[item]:
            tries += 1
            if layout.put(item, option):
                break
    return tries


def first_layout(problem: BankProblem, options: Options, *, repack_nodes: int) -> Layout:
    """Give the best of a few orders: by profit, by profit a byte, by saving, by size."""
    best = Layout(problem, repack_nodes)
    for key in (
        lambda item: -options[item][0][0],
        lambda item: -problem.items[item][options[item][0][1]].saving,
        lambda item: -_saving_per_area(problem, item, options[item][0][1]),
        lambda item: -max(need.size for need in problem.items[item][options[item][0][1]].needs),
    ):
        layout = Layout(problem, repack_nodes, hopeless=best.hopeless)
        fill(layout, sorted(options, key=lambda item: (key(item), item)), options)
        best = max(best, layout, key=lambda found: found.saving)
    return best


def improve(
    layout: Layout, options: Options, *, enough: int, step_limit: int, seed: int = 0
) -> tuple[Layout, int]:
    """Take out what lies near some time, or some random items, and fill again in a shaken order of profit.

    A layout that saves as much as the last one takes its place. Ends at a saving of `enough`, or after
    `step_limit` tries to place an option; gives the best layout and the tries.
    """
    random = Random(seed)
    best = here = layout
    tries = 0
    while tries < step_limit and best.saving < enough and options:
        trial = here.copy()
        for item in _victims(trial, random):
            trial.remove(item)
        absent = [item for item in options if item not in trial.option_of]
        scale = max(abs(options[item][0][0]) for item in absent) if absent else 0
        shake = random.choice((0.0, 0.1, 0.5))
        order = {item: options[item][0][0] + shake * scale * random.random() for item in absent}
        tries += max(fill(trial, sorted(absent, key=lambda item: -order[item]), options), 1)
        if trial.saving >= here.saving:
            here = trial
        if here.saving > best.saving:
            best = here
    return best, tries


def _victims(layout: Layout, random: Random) -> list[int]:
    """Choose placed items: those alive in a window around one of them, or a random few."""
    placed = sorted(layout.option_of)
    if not placed:
        return []
    if random.random() < 0.3:
        return random.sample(placed, min(len(placed), random.randint(1, 4)))
    blocks = [block for bank in layout.banks for block in bank]
    centre = random.choice(blocks)
    wide = random.randint(0, 4)
    window = (centre.first - wide, centre.first + wide + 1)
    near = {block.item for block in blocks if block.first < window[1] and window[0] < block.end}
    share = random.choice((0.3, 0.6, 1.0))
    return [item for item in sorted(near) if random.random() < share] or [centre.item]


def _saving_per_area(problem: BankProblem, item: int, option: int) -> float:
    found = problem.items[item][option]
    return found.saving / sum(need.size * (need.end - need.first) for need in found.needs)
