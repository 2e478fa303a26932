"""Checks a packing by a sweep over time; it shares no code with the methods that make one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from deploykit.solve.memory.problem import PackingProblem


def packing_faults(
    problem: PackingProblem, offsets: Sequence[int], *, height: int | None = None
) -> tuple[str, ...]:
    """Name every rectangle and every pair that breaks the rules; empty where the packing is valid.

    `height`: the memory that the packing is said to take, sizes rounded to the alignment.
    """
    if len(offsets) != len(problem.rectangles):
        return (f"{len(problem.rectangles)} rectangles, but {len(offsets)} offsets",)
    faults = [
        f"rectangle {index} starts at {offset}, not at a multiple of {problem.alignment} from 0 up"
        for index, offset in enumerate(offsets)
        if offset < 0 or offset % problem.alignment
    ]
    faults += [
        f"rectangle {index} ends at {offset + size}, above the {height} bytes that there are"
        for index, (offset, size) in enumerate(zip(offsets, problem.sizes, strict=True))
        if height is not None and offset + size > height
    ]
    if not _is_apart(problem, offsets):
        faults += [_collision(problem, offsets, a, b) for a, b in _colliding(problem, offsets)]
    return tuple(faults)


def _is_apart(problem: PackingProblem, offsets: Sequence[int]) -> bool:
    """Say whether all who live at one time are apart, at every time: each newcomer beside its neighbours.

    As long as all are apart, nobody but the two neighbours by offset can meet a newcomer.
    """
    events = [(item.first, 1, index) for index, item in enumerate(problem.rectangles)]
    events += [(item.end, 0, index) for index, item in enumerate(problem.rectangles)]
    live: list[tuple[int, int]] = []  # (offset, index)
    for _, starts, index in sorted(events):  # at equal times the ends come first: intervals are half-open
        here = (offsets[index], index)
        if not starts:
            del live[bisect_left(live, here)]
            continue
        insort(live, here)
        at = bisect_left(live, here)
        for lower, upper in ((at - 1, at), (at, at + 1)):
            if lower < 0 or upper == len(live):
                continue
            if live[lower][0] + problem.rectangles[live[lower][1]].size > live[upper][0]:
                return False
    return True


def _colliding(problem: PackingProblem, offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Give all pairs that share bytes while both are alive, by index."""
    found: list[tuple[int, int]] = []
    by_start = sorted(range(len(offsets)), key=lambda index: problem.rectangles[index].first)
    for position, a in enumerate(by_start):
        for b in by_start[position + 1 :]:
            if problem.rectangles[b].first >= problem.rectangles[a].end:
                break  # all that follow start later still
            if _share_bytes(problem, offsets, a, b):
                found.append((min(a, b), max(a, b)))
    return found


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
