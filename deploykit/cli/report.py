"""`deploykit report`: the HTML page of what the cache holds."""

from __future__ import annotations

from pathlib import Path

import click

from deploykit.cli.options import pipeline_argument, set_option, store_of, workspace_option


@click.command("report")
@pipeline_argument
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a copy of the page here."
)
@set_option
@workspace_option
def command(pipeline: Path, output: Path | None, overrides: tuple[str, ...], workspace: Path | None) -> None:
    """Write the page of PIPELINE's results that are in the cache, without running a step."""
    from deploykit.cli.show import write_report
    from deploykit.core.errors import input_error
    from deploykit.core.store import disk_faults
    from deploykit.pipeline.run import load_contexts, locked, read_results

    store = store_of(pipeline, workspace)
    contexts = load_contexts(pipeline, overrides, store)
    if output is not None and len(contexts) > 1:
        raise input_error(
            "--output", f"the matrix of {pipeline} gives {len(contexts)} pages", "leave --output out"
        )
    with locked(store):
        for context in contexts:
            results, page = read_results(context, store)
            write_report(store, context, results, page)
            if output is not None:
                with disk_faults(output):
                    output.write_bytes(page.read_bytes())
            print(output or page)
