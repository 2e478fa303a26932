"""Checks a packing pair by pair; it shares no code with the methods that make one."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.solve.memory.problem import PackingProblem


def packing_faults(problem: PackingProblem, offsets: Sequence[int]) -> tuple[str, ...]:
    """Name every rectangle and every pair that breaks the rules; empty where the packing is valid."""
    if len(offsets) != len(problem.rectangles):
        return (f"{len(problem.rectangles)} rectangles, but {len(offsets)} offsets",)
    faults = [
        f"rectangle {index} starts at {offset}, not at a multiple of {problem.alignment} from 0 up"
        for index, offset in enumerate(offsets)
        if offset < 0 or offset % problem.alignment
    ]
    by_start = sorted(range(len(offsets)), key=lambda index: problem.rectangles[index].first)
    for position, a in enumerate(by_start):
        for b in by_start[position + 1 :]:
            if problem.rectangles[b].first >= problem.rectangles[a].end:
                break  # all that follow start later still
            if _share_bytes(problem, offsets, a, b):
                faults.append(_collision(problem, offsets, min(a, b), max(a, b)))
    return tuple(faults)


def _share_bytes(problem: PackingProblem, offsets: Sequence[int], a: int, b: int) -> bool:
    end_a = offsets[a] + problem.rectangles[a].size
    end_b = offsets[b] + problem.rectangles[b].size
    return offsets[a] < end_b and offsets[b] < end_a


def _collision(problem: PackingProblem, offsets: Sequence[int], a: int, b: int) -> str:
    def place(index: int) -> str:
        item = problem.rectangles[index]
        end = offsets[index] + item.size
        return f"{index} (bytes {offsets[index]} to {end}, times {item.first} to {item.end})"

    return f"rectangles {place(a)} and {place(b)} share bytes while both are alive"
