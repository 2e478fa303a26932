"""Pack the published lifetimes of minimalloc and idealloc, and state the gap to the lower bound.

    DEPLOYKIT_GOLDEN=... python benchmarks/memory_instances.py [--nodes 8000]

The instances aren't part of this project: the folder needs minimalloc/*.csv and lifetimes/*.csv, each with
the columns lower, upper and size. The last line is JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path

from deploykit.solve.memory.greedy import greedy_portfolio
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle, lower_bound, peak
from deploykit.solve.memory.validate import packing_faults


def main() -> int:
    """Print a row an instance; fails where a packing is invalid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=8000, help="the search's limit, as `search_nodes`")
    nodes = parser.parse_args().nodes
    golden = Path(os.environ.get("DEPLOYKIT_GOLDEN", ""))
    files = sorted([*golden.glob("minimalloc/*.csv"), *golden.glob("lifetimes/*.csv")])
    if not files:
        print("no instances: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    print(f"{'instance':<16}{'buffers':>8}{'greedy':>8}{'packed':>8}  {'status':<9}{'nodes':>7}{'CPU s':>7}")
    rows = [_measure(file, nodes) for file in files]
    print(json.dumps({"benchmark": "memory_instances", "node_limit": nodes, "rows": rows}))
    return 1 if any(row["faults"] for row in rows) else 0


def _measure(file: Path, nodes: int) -> dict[str, object]:
    problem = _read(file)
    floor = lower_bound(problem)
    greedy = peak(problem, greedy_portfolio(problem, floor)[0]) / floor
    start = time.process_time()
    packing = pack(problem, node_limit=nodes)
    seconds = time.process_time() - start
    bound = packing.bound
    packed = bound.objective / bound.lower_bound
    name = file.stem.split(".")[0]
    print(
        f"{name:<16}{len(problem.rectangles):>8}{greedy:>8.3f}{packed:>8.3f}  "
        f"{bound.status:<9}{bound.steps:>7}{seconds:>7.2f}"
    )
    return {
        "instance": name,
        "buffers": len(problem.rectangles),
        "lower_bound": bound.lower_bound,
        "greedy_over_bound": round(greedy, 4),
        "packed_over_bound": round(packed, 4),
        "status": bound.status,
        "nodes": bound.steps,
        "cpu_s": round(seconds, 2),
        "faults": len(packing_faults(problem, packing.offsets)),
    }


def _read(file: Path) -> PackingProblem:
    with file.open() as lines:
        rows = [{name: int(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    return PackingProblem(tuple(Rectangle(row["size"], row["lower"], row["upper"]) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
