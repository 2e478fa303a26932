"""`deploykit run`: the whole pipeline."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploykit.cli.options import (
    format_option,
    pipeline_argument,
    selection_options,
    set_option,
    store_of,
    workers_option,
    workspace_option,
)
from deploykit.cli.show import show_runs, write_report
from deploykit.cli.watch import watching
from deploykit.pipeline.run import load_contexts, locked, run_pipeline
from deploykit.pipeline.steps import Selection


@click.command("run")
@pipeline_argument
@selection_options
@set_option
@workspace_option
@workers_option
@format_option
def command(
    pipeline: Path,
    first: str,
    last: str,
    only: tuple[str, ...],
    force: tuple[str, ...],
    overrides: tuple[str, ...],
    workspace: Path | None,
    workers: int,
    form: str,
) -> int:
    """Run PIPELINE (a YAML); steps that are unchanged come from the cache."""
    selection = Selection(first, last, only, force=force)
    return run_selected(pipeline, selection, overrides, workspace, workers, form)


def run_selected(
    pipeline: Path,
    selection: Selection,
    overrides: tuple[str, ...],
    workspace: Path | None,
    workers: int,
    form: str,
) -> int:
    """Run a selection of steps, show what it gave, and give the exit code."""
    store = store_of(pipeline, workspace)
    contexts = load_contexts(pipeline, overrides, store)
    runs = []
    with locked(store), watching() as watcher:
        for context in contexts:
            run = run_pipeline(
                context,
                store,
                selection,
                argv=sys.argv[1:],
                watcher=watcher,
                progress=watcher,
                workers=workers,
            )
            write_report(store, context, run.results, run.report_path)
            runs.append(run)
    show_runs(runs, form)
    return 1 if any(run.findings for run in runs) else 0
