"""What other planners make of the same lifetimes: TFLite-Micro's greedy one, Vela's greedy and hill climb."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploykit.solve.memory.greedy import place_in_order
from deploykit.solve.memory.problem import PackingProblem, peak
from deploykit.solve.memory.validate import packing_faults

CLIMBED = 400
"""Vela's hill climb is pure Python: above this many buffers it is left out."""

ITERATIONS = 500
PATIENCE_S = 20


def tflite_micro(problem: PackingProblem) -> int:
    """Give the peak of TFLite-Micro's GreedyMemoryPlanner, from its description: the largest first, each in
    the lowest gap that holds it."""
    order = sorted(range(len(problem.rectangles)), key=lambda index: (-problem.sizes[index], index))
    return peak(problem, place_in_order(problem, order, fit="first"))


def vela(problem: PackingProblem, python: Path) -> dict[str, int]:
    """Give the peaks of Vela's allocators, run by a Python that has ethos-u-vela; nothing if they take longer
    than PATIENCE_S.

    Raises:
        ValueError: an allocator's answer is no valid packing.
    """
    times = sorted({time for item in problem.rectangles for time in (item.first, item.end)})
    rank = {time: index for index, time in enumerate(times)}
    asked = {
        "first": [rank[item.first] for item in problem.rectangles],
        "end": [rank[item.end] for item in problem.rectangles],
        "size": problem.sizes,
        "iterations": ITERATIONS if len(problem.rectangles) <= CLIMBED else 0,
    }
    script = Path(__file__).with_name("vela_planner.py")
    try:
        done = subprocess.run(
            [str(python), str(script)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return {}
    answer: dict[str, Sequence[int] | None] = json.loads(done.stdout)
    return {name: _peak(problem, offsets) for name, offsets in answer.items() if offsets is not None}


def _peak(problem: PackingProblem, offsets: Sequence[int]) -> int:
    free = PackingProblem(tuple(problem.rectangles))  # Vela was told no alignment; sizes are rounded already
    faults = packing_faults(free, offsets)
    if faults:
        raise ValueError(faults[0])
    return peak(problem, offsets)
