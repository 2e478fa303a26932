"""Pack published buffers, and those of whole networks: peak over the bound, nodes, CPU seconds.

    DEPLOYKIT_GOLDEN=... python -m benchmarks.memory_instances [--networks FOLDER] [--peers [VELA_PYTHON]]

Asks for minimalloc's instances (minimalloc/NAME.CAPACITY.csv) at their capacity; packs published lifetimes
(lifetimes/*.csv), our networks, and the tables and ONNX files of a folder, as low as they go; times
1,000 and 60,000 buffers. `--peers` sets TFLite-Micro's planner beside, and Vela's where a Python that has
ethos-u-vela is named. The instances aren't part of this project. `DEPLOYKIT_NO_CORE=1` measures
without the compiled core. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

from benchmarks.memory_lifetimes import of_file, own_networks
from benchmarks.memory_peers import tflite_micro, vela
from deploykit.analysis.lifetime_file import read_lifetimes
from deploykit.solve.memory.compiled import core
from deploykit.solve.memory.greedy import greedy_portfolio
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle, lower_bound, peak
from deploykit.solve.memory.validate import packing_faults

NODES = 1_000_000
"""For an instance with a capacity; without one the memory stage's default is taken."""

MODELS = Path(__file__).resolve().parents[1] / "pipelines" / "models"


def main() -> int:
    """Print a row an instance; fails where a packing is invalid, or above a peer's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="minimalloc's instances to solve, by letter; nothing else")
    parser.add_argument("--networks", type=Path, help="a folder of tables (benchmarks.memory_lifetimes)")
    parser.add_argument("--peers", nargs="?", const="", metavar="VELA_PYTHON", help="other planners beside")
    options = parser.parse_args()
    golden = Path(os.environ.get("DEPLOYKIT_GOLDEN", ""))
    files = sorted(golden.glob("minimalloc/*.csv"))
    if not files:
        print("no instances: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    wanted = [file for file in files if not options.only or file.stem[0] in options.only]
    rows = [
        _measure(file.stem, read_lifetimes(file).problem, None, int(file.stem.split(".")[1]))
        for file in wanted
    ]
    networks = [] if options.only else _networks(golden, options.networks)
    rows += [_measure(name, problem, options.peers) for name, problem in networks]
    if not options.only:
        rows += [_measure(name, problem, None) for name, problem in _scale(networks).items()]
    print(
        json.dumps(
            {"benchmark": "memory_instances", "core": core() is not None, **_summary(rows), "rows": rows}
        )
    )
    return 1 if any(row["faults"] or row.get("above_a_peer") for row in rows) else 0


def _networks(golden: Path, folder: Path | None) -> list[tuple[str, PackingProblem]]:
    """Give published lifetimes, our models', and those of a folder's tables and ONNX files."""
    files = sorted(golden.glob("lifetimes/*.csv")) + sorted(folder.glob("*.csv") if folder else [])
    found = [(file.stem, read_lifetimes(file).problem) for file in files] + list(own_networks().items())
    for file in (*sorted(MODELS.glob("*.onnx")), *sorted(folder.glob("*.onnx") if folder else ())):
        try:
            found.append((file.stem, of_file(file)))
        except ValueError as error:
            print(f"{file}: {error}", file=sys.stderr)
    return found


def _scale(networks: list[tuple[str, PackingProblem]]) -> dict[str, PackingProblem]:
    """Give large problems: made-up ones, and a network over and over, each run half over the last."""
    chance = random.Random(1)
    found: dict[str, PackingProblem] = {}
    for count in (1000, 60_000):
        starts = [chance.randrange(2 * count) for _ in range(count)]
        found[f"made up, {count}"] = PackingProblem(
            tuple(
                Rectangle(64 * chance.randint(1, 2000), start, start + int(chance.expovariate(1 / 40)) + 1)
                for start in starts
            )
        )
    items = dict(networks)["G_1"].rectangles
    span = max(item.end for item in items) // 2
    copies = (
        Rectangle(item.size, item.first + turn * span, item.end + turn * span)
        for turn in range(-(-60_000 // len(items)))
        for item in items
    )
    found["G_1 over and over, 60000"] = PackingProblem(tuple(copies)[:60_000])
    return found


def _measure(
    name: str, problem: PackingProblem, peers: str | None, capacity: int | None = None
) -> dict[str, object]:
    floor = lower_bound(problem)
    start = time.process_time()
    packing = pack(problem, capacity=capacity, **({"node_limit": NODES} if capacity else {}))
    seconds = time.process_time() - start
    bound = packing.bound
    row: dict[str, object] = {
        "instance": name,
        "buffers": len(problem.rectangles),
        "capacity": capacity,
        "peak": bound.objective,
        "peak_over_bound": round(bound.objective / bound.lower_bound, 4),
        "status": bound.status,
        "nodes": bound.steps,
        "cpu_s": round(seconds, 3),
        "faults": len(packing_faults(problem, packing.offsets, height=bound.objective)),
    }
    words = ""
    if capacity is not None:
        row["greedy_over_bound"] = round(peak(problem, greedy_portfolio(problem, floor)[0]) / floor, 4)
    elif peers is not None:
        others = {"TFLM": tflite_micro(problem)}
        others |= (
            {f"Vela {kind}": other for kind, other in vela(problem, Path(peers)).items()} if peers else {}
        )
        row |= {"peers": others, "above_a_peer": bound.objective > min(others.values())}
        words = "  ".join(f"{peer} {other / floor:.4f}" for peer, other in others.items())
    print(
        f"{name:<28}{len(problem.rectangles):>7}{row['peak_over_bound']:>8}  {bound.status:<11}"
        f"{bound.steps:>8}{seconds:>8.2f} s  {words}",
        flush=True,
    )
    return row


def _summary(rows: list[dict[str, object]]) -> dict[str, object]:
    asked = [row for row in rows if row["capacity"]]
    real = [row for row in rows if not row["capacity"] and "peak" in row and ", " not in str(row["instance"])]
    ratios = [float(str(row["peak_over_bound"])) for row in real]
    summary: dict[str, object] = {
        "solved": sum(row["status"] in ("optimal", "feasible") for row in asked),
        "asked": len(asked),
        "cpu_s": round(sum(float(str(row["cpu_s"])) for row in asked), 2),
    }
    if ratios:
        summary |= {"networks": len(real), "worst": max(ratios), "median": statistics.median(ratios)}
    return summary


if __name__ == "__main__":
    sys.exit(main())
