"""Prints what runs gave: the table, or JSON; and writes their pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from deploykit.artifacts.results import RunResults, StepLine
from deploykit.core.blob import Blob
from deploykit.core.store import Store, disk_faults
from deploykit.pipeline.context import Context
from deploykit.pipeline.run import PipelineRun
from deploykit.reports.text import print_run, run_json
from deploykit.reports.views import run_view


def write_report(store: Store, context: Context, results: RunResults, page: Path) -> None:
    """Write a page, and the trace of its schedule; one that is there already shows the same."""
    for blob in results.blocks.files if results.blocks else ():
        if not table_path(page, blob).exists():
            with disk_faults(store.root):
                store.write(table_path(page, blob), store.path(blob).read_bytes())
    if page.exists():
        return
    from deploykit.pipeline.advice import with_advice
    from deploykit.reports.html import write_html
    from deploykit.reports.trace import trace_json

    with disk_faults(store.root):
        if results.schedule is not None:
            store.write(page.with_suffix(".trace.json"), trace_json(results.schedule).encode())
        view = run_view(with_advice(context, results))
        store.write(page, write_html(view).encode())


def table_path(page: Path, blob: Blob) -> Path:
    """Give where a file of the memory table lies, beside the page: `PAGE.memory_blocks.h`."""
    return page.with_name(f"{page.stem}.{blob.name}")


def show_runs(runs: Sequence[PipelineRun], form: str) -> None:
    """Print the results of one run, or of a matrix of runs."""
    if form == "json":
        pages = [_json(run) for run in runs]
        print(json.dumps(pages if len(pages) > 1 else pages[0], indent=2))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100)
    for run in runs:
        print_run(run_view(run.results), console)
        print(_steps_line(run.results.steps, run.manifest.seconds))
        if run.results.data_notice:
            print(f"note: {run.results.data_notice}")
        for finding in run.findings:
            print(f"finding: {finding}")
        for blob in run.results.blocks.files if run.results.blocks else ():
            print(f"memory blocks: {_short(table_path(run.report_path, blob))}")
        print(f"report: {_short(run.report_path)}")


def _json(run: PipelineRun) -> dict[str, object]:
    return {
        **json.loads(run_json(run_view(run.results))),
        "run": run.manifest.id,
        "findings": list(run.findings),
        "report": str(run.report_path),
    }


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
