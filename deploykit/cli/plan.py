"""`deploykit plan`: a dry run that says why."""

from __future__ import annotations

from pathlib import Path

import click

from deploykit.cli.options import (
    format_option,
    pipeline_argument,
    selection_options,
    set_option,
    store_of,
    workspace_option,
)


@click.command("plan")
@pipeline_argument
@selection_options
@set_option
@workspace_option
@format_option
def command(
    pipeline: Path,
    first: str,
    last: str,
    only: tuple[str, ...],
    force: tuple[str, ...],
    overrides: tuple[str, ...],
    workspace: Path | None,
    form: str,
) -> None:
    """Say which steps a run of PIPELINE would do, and why. Nothing is run or written."""
    from deploykit.pipeline.plan import plan_steps
    from deploykit.pipeline.records import Records
    from deploykit.pipeline.run import load_contexts
    from deploykit.pipeline.steps import Selection

    store = store_of(pipeline, workspace)
    selection = Selection(first, last, only, force=force)
    plans = [
        (c.name, plan_steps(c, Records(store), selection)) for c in load_contexts(pipeline, overrides, store)
    ]
    if form == "json":
        import json

        from deploykit.core.codec import to_plain

        print(json.dumps({name: [to_plain(step) for step in steps] for name, steps in plans}, indent=2))
        return
    for name, steps in plans:
        print(name)
        for step in steps:
            print(f"  {step.step:<24} {step.action:<7} {step.why}")
