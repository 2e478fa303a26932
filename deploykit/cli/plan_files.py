"""`deploykit plan-files`: the precision plan in a vendor's own format."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploykit.cli.options import pipeline_argument, set_option, store_of, workers_option, workspace_option
from deploykit.cli.watch import watching
from deploykit.pipeline.plan_files import write_plan_files
from deploykit.pipeline.run import load_contexts, locked, run_pipeline
from deploykit.pipeline.steps import Selection
from deploykit.toolchains.plan_files import PLAN_FILES


@click.command("plan-files")
@pipeline_argument
@click.option("--format", "kind", type=click.Choice(list(PLAN_FILES)), required=True, help="Whose format.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write into: FOLDER/NETWORK/SEGMENT.*",
)
@click.option(
    "--step1",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="rknn: the folder with the SEGMENT.quantization.cfg of hybrid_quantization_step1, to be filled in.",
)
@set_option
@workspace_option
@workers_option
def command(
    pipeline: Path,
    kind: str,
    output: Path,
    step1: Path | None,
    overrides: tuple[str, ...],
    workspace: Path | None,
    workers: int,
) -> None:
    """Write PIPELINE's precision plan and ranges as a vendor's per-layer files.

    The steps up to quantize run first where they are not cached.
    """
    if step1 is not None and kind != "rknn":
        raise click.UsageError("--step1 is for --format rknn")
    store = store_of(pipeline, workspace)
    contexts = load_contexts(pipeline, overrides, store)
    with locked(store), watching() as watcher:
        for context in contexts:
            run = run_pipeline(
                context,
                store,
                Selection(last="quantize"),
                argv=sys.argv[1:],
                watcher=watcher,
                progress=watcher,
                workers=workers,
            )
            folder = output if len(contexts) == 1 else output / context.name
            written = write_plan_files(run.results, store, kind, folder, step1=step1)
            for path in written.paths:
                click.echo(path)
            for notice in written.notices:
                click.echo(f"note: {notice}")
