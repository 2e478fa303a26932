"""One command a step: `deploykit split PIPELINE` runs what `split` needs, then `split`."""

from __future__ import annotations

from pathlib import Path

import click

from deploykit.cli.options import (
    format_option,
    pipeline_argument,
    set_option,
    workers_option,
    workspace_option,
)
from deploykit.stages import STAGES


def stage_command(name: str) -> click.Command:
    """Make the command of a step."""

    @click.command(name, help=f"{STAGES[name].doc} Runs what the step needs first.")
    @pipeline_argument
    @click.option("--network", default="", help="Only this network's step; default: every network's.")
    @click.option("--force", is_flag=True, help="Run the step even if it is in the cache.")
    @set_option
    @workspace_option
    @workers_option
    @format_option
    def command(
        pipeline: Path,
        network: str,
        force: bool,
        overrides: tuple[str, ...],
        workspace: Path | None,
        workers: int,
        form: str,
    ) -> int:
        from deploykit.cli.run import run_selected
        from deploykit.pipeline.steps import Selection

        step = f"{network}.{name}" if network else name
        selection = Selection(last=step, force=(step,) if force else ())
        return run_selected(pipeline, selection, overrides, workspace, workers, form)

    return command
