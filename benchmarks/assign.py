"""Exact assignment of a scheme to each of many layers: `python -m benchmarks.assign`."""

from __future__ import annotations

import argparse
import json
import random
import time

from deploykit.solve.assign.assign import assign
from deploykit.solve.assign.front import pareto_front
from deploykit.solve.assign.problem import AssignProblem, Item, Limit, Option, total
from deploykit.solve.assign.validate import assignment_faults

SHAPES = ((55, 60, "16"), (50, 100, "8"), (100, 2, "16"), (70, 6, "8"), (200, 0.1, "16f"), (400, 0, "32"))
"""Time, error and activation type of an option beside those of its layer: w4a16, w4a8, w8a16 and so on."""


def instance(kind: str, layers: int, seed: int) -> AssignProblem:
    """Make a problem. "layers": times and sensitivities over four decades, as in networks; "grouped": the
    same with every second run of four layers sharing a type; "uncorrelated": all numbers drawn alike."""
    draw = random.Random(seed)
    items = []
    for index in range(layers):
        if kind == "uncorrelated":
            found = [Option(draw.randrange(10**6), error=draw.randrange(10**6)) for _ in SHAPES]
        else:
            size, weight = 10 ** draw.uniform(1, 4), 10 ** draw.uniform(1, 5)
            found = [
                Option(int(size * slow), error=int(weight * error * draw.uniform(0.5, 2)), tag=tag)
                for slow, error, tag in SHAPES
            ]
        group = f"joined {index // 4}" if kind == "grouped" and index % 8 < 4 else ""
        items.append(Item(tuple(found), group))
    middle = sum(sorted(option.error for option in item.options)[2] for item in items)
    return AssignProblem(tuple(items), "time", (Limit("error", middle),))


def measure(kind: str, layers: int, seed: int) -> dict[str, object]:
    """Solve one instance, with its CPU time."""
    problem = instance(kind, layers, seed)
    started = time.process_time()
    answer = assign(problem)
    seconds = time.process_time() - started
    assert not assignment_faults(problem, answer.choices)
    assert total(problem, answer.choices, "time") == answer.bound.objective
    started = time.process_time()
    front = pareto_front(AssignProblem(problem.items, "time"), "error")
    return {
        "kind": kind,
        "seed": seed,
        "status": answer.bound.status,
        "gap": answer.bound.gap,
        "states": answer.bound.steps,
        "cpu_s": round(seconds, 2),
        "front_points": len(front.points),
        "front_exact": front.exact,
        "front_cpu_s": round(time.process_time() - started, 2),
    }


def main() -> None:
    """Print a table, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for kind in ("layers", "grouped", "uncorrelated"):
        for seed in range(options.seeds):
            rows.append(measure(kind, options.layers, seed))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
    print(json.dumps({"layers": options.layers, "options": len(SHAPES), "rows": rows}))


if __name__ == "__main__":
    main()
