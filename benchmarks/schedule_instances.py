"""Schedule published job shops by list scheduling, and state the gap to the best known makespan.

    DEPLOYKIT_GOLDEN=... python benchmarks/schedule_instances.py

The instances (ScheduleOpt, CC-BY-SA 4.0) aren't part of this project: the folder needs sched/jsp/*.txt with
sched/jsp/bks.json, and sched/fjsp/*.json. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from deploykit.solve.schedule.list_schedule import schedule
from deploykit.solve.schedule.problem import Job, ScheduleProblem
from deploykit.solve.schedule.validate import timetable_faults

BEST_FLEXIBLE = {"mk01": 40, "mk02": 26, "mk10": 193, "dpp01a": 2505, "la21_vdata": 800, "behnke20": 398}
"""Best known makespans of the flexible job shops, whose files don't hold them."""


def main() -> int:
    """Print a row an instance; fails where a timetable is invalid."""
    golden = Path(os.environ.get("DEPLOYKIT_GOLDEN", "")) / "sched"
    files = sorted([*golden.glob("jsp/*.txt"), *golden.glob("fjsp/*.json")])
    if not files:
        print("no instances: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    known = json.loads((golden / "jsp" / "bks.json").read_text())
    best = {row["instance"]: row["upper_bound"] for row in known} | BEST_FLEXIBLE
    print(f"{'instance':<12}{'jobs':>6}{'best':>7}{'listed':>8}{'gap':>8}{'bound':>7}{'CPU s':>7}  method")
    rows = [_measure(file, best.get(file.stem)) for file in files]
    print(json.dumps({"benchmark": "schedule_instances", "rows": rows}))
    return 1 if any(row["faults"] for row in rows) else 0


def _measure(file: Path, best: int | None) -> dict[str, object]:
    problem = _job_shop(file) if file.suffix == ".txt" else _flexible_job_shop(file)
    start = time.process_time()
    table = schedule(problem)
    seconds = time.process_time() - start
    bound = table.bound
    gap = None if best is None else bound.objective / best - 1
    shown = "?" if gap is None else f"{gap:.1%}"
    print(
        f"{file.stem:<12}{len(problem.jobs):>6}{best or '?':>7}{bound.objective:>8}{shown:>8}"
        f"{bound.lower_bound:>7}{seconds:>7.2f}  {bound.method}"
    )
    return {
        "instance": file.stem,
        "jobs": len(problem.jobs),
        "best_known": best,
        "makespan": bound.objective,
        "gap_to_best_known": None if gap is None else round(gap, 4),
        "lower_bound": bound.lower_bound,
        "method": bound.method,
        "cpu_s": round(seconds, 3),
        "faults": len(timetable_faults(problem, table.placements)),
    }


def _job_shop(file: Path) -> ScheduleProblem:
    """Read "jobs machines", then a line a job of (machine, time) pairs in order."""
    (_, machines), *lines = [
        list(map(int, line.split())) for line in file.read_text().splitlines() if line.strip()
    ]
    jobs: list[Job] = []
    for line in lines:
        for position, pair in enumerate(zip(line[::2], line[1::2], strict=True)):
            jobs.append(Job((pair,), (len(jobs) - 1,) if position else ()))
    return ScheduleProblem(machines, tuple(jobs))


def _flexible_job_shop(file: Path) -> ScheduleProblem:
    """Read operations, each on one of several machines, and which comes before which."""
    content: dict[str, Any] = json.loads(file.read_text())
    options: dict[int, list[tuple[int, int]]] = {}
    for row in content["operations"]:
        options.setdefault(row["operation"], []).append((row["machine"], row["duration"]))
    before: dict[int, list[int]] = {}
    for row in content["precedences"]:
        before.setdefault(row["after"], []).append(row["before"])
    machines = 1 + max(machine for choices in options.values() for machine, _ in choices)
    jobs = tuple(Job(tuple(options[index]), tuple(before.get(index, ()))) for index in range(len(options)))
    return ScheduleProblem(machines, jobs)


if __name__ == "__main__":
    sys.exit(main())
