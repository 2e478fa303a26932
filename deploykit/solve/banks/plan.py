"""Chooses what lies in on-chip memory, with a bound on what any choice could save."""

from __future__ import annotations

from deploykit.core.bounds import SolveBound
from deploykit.solve.banks.exact import search
from deploykit.solve.banks.greedy import greedy_by_size
from deploykit.solve.banks.improve import first_layout, improve, ranked_options
from deploykit.solve.banks.problem import BankProblem
from deploykit.solve.banks.relax import option_table, relax
from deploykit.solve.banks.solution import BankChoice

REPACK_NODES = 100
"""How far one bank's offsets are searched while banks are filled."""


TRIES_PER_ITEM = 200
"""So many refills an item are enough before the tree search; small problems need few."""


def plan_banks(problem: BankProblem, *, step_limit: int = 4000) -> BankChoice:
    """Choose options and places that save much, and bound what any choice saves.

    The same problem and limit give the same choice: work is counted in tries, never in seconds. Small
    problems are searched to the end, so that their status is "optimal"; "feasible" states the gap.
    """
    table = option_table(problem)
    if not len(table.item):
        missed = problem.most_saving
        return BankChoice((), SolveBound("optimal", missed, missed, "nothing fits a bank"))
    simple = greedy_by_size(problem)
    relaxation = relax(table, known=simple.saving)
    options = ranked_options(table, relaxation)
    first = first_layout(problem, options, repack_nodes=REPACK_NODES if step_limit else 0)
    layout, method = max((first, "filled by profit"), (simple, "greedy by size"), key=lambda it: it[0].saving)
    tries = min(step_limit, TRIES_PER_ITEM * len(options))
    better, steps = improve(layout, options, enough=relaxation.most_saving, step_limit=tries)
    if better.saving > layout.saving:
        layout, method = better, "filled by profit, refilled in parts"
    chosen, saving, most = layout.chosen(), layout.saving, relaxation.most_saving
    if saving < most:
        outcome = search(problem, options, relaxation, known=saving, step_limit=step_limit)
        steps += outcome.steps
        if outcome.chosen is not None:
            chosen, saving, method = outcome.chosen, outcome.saving, "tree search"
        if outcome.complete:
            most = saving
    missed, least = problem.most_saving - saving, problem.most_saving - most
    return BankChoice(
        chosen, SolveBound("optimal" if missed == least else "feasible", missed, least, method, steps)
    )
