"""Measure what people wait for: the help page, and a run whose steps all come from the cache.

    python -m benchmarks.start_up [--pipeline pipelines/bev.yaml]

The pipeline is run once before. CPU seconds of a fresh process, best of several; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

ROUNDS = 5


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/bev.yaml"))
    pipeline: Path = parser.parse_args().pipeline
    figures = {"help_cpu_s": best("--help")}
    first = subprocess.run(command("run", str(pipeline)), capture_output=True, text=True, check=False)
    if first.returncode not in (0, 1):
        sys.exit(first.stderr)
    figures["cached_run_cpu_s"] = best("run", str(pipeline))
    for name, value in figures.items():
        print(f"{name:<20} {value:.3f}")
    print(json.dumps(figures))


def command(*words: str) -> list[str]:
    """Give the words of a deploykit command in this environment."""
    return [sys.executable, "-m", "deploykit", *words]


def best(*words: str) -> float:
    """Give the least CPU seconds that a command took."""
    spent = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command(*words), capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


if __name__ == "__main__":
    main()
