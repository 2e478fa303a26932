"""The rule that simple planners use: the largest first, each for its whole life, where a gap is left."""

from __future__ import annotations

from deploykit.solve.banks.layout import Layout
from deploykit.solve.banks.problem import BankProblem


def greedy_by_size(problem: BankProblem) -> Layout:
    """Place items by falling size, each by the option that saves the most; what finds no gap is left out."""
    best = [
        max(range(len(options)), key=lambda at: options[at].saving) if options else -1
        for options in problem.items
    ]
    sizes = [
        max((need.size for need in options[at].needs), default=0) if options else 0
        for options, at in zip(problem.items, best, strict=True)
    ]
    layout = Layout(problem)
    for item in sorted(range(len(problem.items)), key=lambda item: (-sizes[item], item)):
        if sizes[item] and problem.fits(problem.items[item][best[item]]):
            layout.put(item, best[item])
    return layout
