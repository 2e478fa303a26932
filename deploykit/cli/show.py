"""Prints what runs gave: the table, or JSON; and writes their pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploykit.artifacts.results import StepLine
from deploykit.core.store import Store, disk_faults
from deploykit.pipeline.run import PipelineRun
from deploykit.reports.text import print_run, run_json
from deploykit.reports.views import run_view


@dataclass(frozen=True)
class Shown:
    """A run and its HTML page."""

    run: PipelineRun
    page: Path


def write_report(store: Store, run: PipelineRun) -> Path:
    """Write a run's page, and its trace where it has a schedule; a page that is there already shows the same."""
    page = run.report_path
    if page.exists():
        return page
    from deploykit.reports.html import write_html
    from deploykit.reports.trace import trace_json

    with disk_faults(store.root):
        if run.results.schedule is not None:
            store.write(page.with_suffix(".trace.json"), trace_json(run.results.schedule).encode())
        store.write(page, write_html(run_view(run.results)).encode())
    return page


def show_runs(shown: Sequence[Shown], form: str) -> None:
    """Print the results of one run, or of a matrix of runs."""
    if form == "json":
        print(
            json.dumps([_json(item) for item in shown], indent=2) if len(shown) > 1 else _text_json(shown[0])
        )
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100)
    for item in shown:
        print_run(run_view(item.run.results), console)
        print(_steps_line(item.run.results.steps, item.run.manifest.seconds))
        for finding in item.run.findings:
            print(f"finding: {finding}")
        print(f"report: {_short(item.page)}")


def _json(item: Shown) -> dict[str, object]:
    return {
        **json.loads(run_json(run_view(item.run.results))),
        "run": item.run.manifest.id,
        "findings": list(item.run.findings),
        "report": str(item.page),
    }


def _text_json(item: Shown) -> str:
    return json.dumps(_json(item), indent=2)


def _steps_line(steps: Sequence[StepLine], seconds: float) -> str:
    counts = {state: sum(step.state == state for step in steps) for state in ("ran", "cached", "skipped")}
    if counts["cached"] == len(steps):
        return f"all {len(steps)} steps were taken from the cache ({seconds:.1f} s)"
    words = [f"{counts['ran']} steps ran", f"{counts['cached']} were taken from the cache"]
    if counts["skipped"]:
        words.append(f"{counts['skipped']} were left out")
    return f"{', '.join(words)} ({seconds:.1f} s)"


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
