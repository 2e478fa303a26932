"""Why rectangles don't fit: the instant at which most bytes are alive, and who is."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.solve.memory.problem import PackingProblem


@dataclass(frozen=True)
class Instant:
    """A time, the bytes alive at it (sizes rounded to the alignment), and the rectangles, largest first."""

    time: int
    size: int
    alive: tuple[int, ...]


def fullest_instant(problem: PackingProblem) -> Instant:
    """Find the first time at which most bytes are alive: no packing takes less than these.

    Raises:
        ValueError: there are no rectangles.
    """
    events = [(item.first, problem.sizes[index]) for index, item in enumerate(problem.rectangles)]
    events += [(item.end, -problem.sizes[index]) for index, item in enumerate(problem.rectangles)]
    if not events:
        raise ValueError("no rectangles, no instant")
    live = most = time = 0
    for at, change in sorted(events):
        live += change
        if live > most:
            most, time = live, at
    alive = [index for index, item in enumerate(problem.rectangles) if item.first <= time < item.end]
    return Instant(time, most, tuple(sorted(alive, key=lambda index: (-problem.sizes[index], index))))
