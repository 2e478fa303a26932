"""Checks an assignment item by item; it shares no code with the methods that make one."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.solve.assign.problem import AssignProblem


def assignment_faults(problem: AssignProblem, choices: Sequence[int]) -> tuple[str, ...]:
    """Name every choice, group and limit that breaks the rules; empty where the assignment is valid."""
    if len(choices) != len(problem.items):
        return (f"{len(problem.items)} items, but {len(choices)} choices",)
    faults = [
        f"item {index} has no option {choice}"
        for index, (item, choice) in enumerate(zip(problem.items, choices, strict=True))
        if not 0 <= choice < len(item.options)
    ]
    if faults:
        return tuple(faults)
    chosen = [item.options[choice] for item, choice in zip(problem.items, choices, strict=True)]
    tags: dict[str, set[str]] = {}
    for item, option in zip(problem.items, chosen, strict=True):
        if item.group:
            tags.setdefault(item.group, set()).add(option.tag)
    for group, found in tags.items():
        if len(found) > 1:
            faults.append(f"group {group} has the tags {', '.join(sorted(found))}")
    for limit in problem.limits:
        reached = 0
        for option in chosen:
            reached += getattr(option, limit.measure)
        if reached > limit.most:
            faults.append(f"{limit.measure} is {reached}, over the limit {limit.most}")
    return tuple(faults)
