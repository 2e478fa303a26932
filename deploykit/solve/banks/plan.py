"""Chooses what lies in on-chip memory, with a bound on what any choice could save."""

from __future__ import annotations

from deploykit.core.bounds import SolveBound
from deploykit.solve.banks.exact import search
from deploykit.solve.banks.greedy import greedy_by_size
from deploykit.solve.banks.improve import Options, fill, first_layout, improve, ranked_options
from deploykit.solve.banks.layout import Layout
from deploykit.solve.banks.pool import best_pooled
from deploykit.solve.banks.problem import BankProblem
from deploykit.solve.banks.relax import Table, option_table, relax
from deploykit.solve.banks.solution import BankChoice

REPACK_NODES = 100
"""How far one bank's offsets are searched while banks are filled."""


FEW_ITEMS = 100
"""Larger problems than this aren't searched to the end."""

TRIES_PER_ITEM = 50
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
    run = _Run(problem, table, options, simple, step_limit)
    run.offer(first_layout(problem, options, repack_nodes=run.repack_nodes), "filled by profit")
    most, steps = relaxation.most_saving, 0
    if step_limit and run.best.saving < most:
        pooled = best_pooled(
            table,
            relaxation,
            run.realise,
            known=run.best.saving,
            beam=step_limit,
        )
        most, steps = pooled.most, pooled.steps
    tries = min(step_limit // 2, TRIES_PER_ITEM * len(options))
    better, more = improve(run.best, options, enough=most, step_limit=tries)
    run.offer(better, "refilled in parts")
    steps += more
    chosen, saving, method = run.best.chosen(), run.best.saving, run.method
    if saving < most and len(options) <= FEW_ITEMS:
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


class _Run:
    """The best layout so far, and how choices without places become layouts."""

    def __init__(
        self, problem: BankProblem, table: Table, options: Options, first: Layout, step_limit: int
    ) -> None:
        self.problem, self.table, self.options = problem, table, options
        self.best, self.method = first, "greedy by size"
        self.repack_nodes = REPACK_NODES if step_limit else 0

    def offer(self, layout: Layout, method: str) -> None:
        """Keep a layout that saves more than the best so far."""
        if layout.saving > self.best.saving:
            self.best, self.method = layout, method

    def realise(self, rows: tuple[int, ...]) -> int:
        """Place the options of these rows, then what else fits; say what the best layout saves."""
        chosen = {int(self.table.item[row]): int(self.table.option[row]) for row in rows}
        by_size = sorted(chosen, key=lambda item: (-self._size(item, chosen[item]), item))
        layout = Layout(self.problem, self.repack_nodes, hopeless=self.best.hopeless)
        if not layout.put_all([(item, chosen[item]) for item in by_size]):
            for item in by_size:
                layout.put(item, chosen[item])
        absent = [item for item in self.options if item not in layout.option_of]
        fill(layout, sorted(absent, key=lambda item: (-self._rate(item), item)), self.options)
        self.offer(layout, "swept through time")
        return self.best.saving

    def _size(self, item: int, option: int) -> int:
        return max(self.problem.rounded(need.size) for need in self.problem.items[item][option].needs)

    def _rate(self, item: int) -> float:
        option = self.problem.items[item][self.options[item][0][1]]
        return option.saving / sum(need.size * (need.end - need.first) for need in option.needs)
