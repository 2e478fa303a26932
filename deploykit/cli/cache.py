"""`deploykit cache`: the size of a pipeline's cache, and its clean-up."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploykit.cli.options import format_option, pipeline_argument, store_of, workspace_option
from deploykit.core.codec import to_plain


@click.group("cache")
def command() -> None:
    """Show how large a pipeline's cache is, or clean it."""


@command.command("size")
@pipeline_argument
@workspace_option
@format_option
def size(pipeline: Path, workspace: Path | None, form: str) -> None:
    """Show what the cache of PIPELINE's folder takes on disk."""
    from deploykit.pipeline.cache import cache_size

    store = store_of(pipeline, workspace)
    found = cache_size(store)
    if form == "json":
        print(json.dumps(to_plain(found), indent=2))
        return
    print(f"{store.root}")
    print(f"  {found.blobs} files of results, {found.blob_bytes / 1e6:.1f} MB")
    print(f"  {found.reports} reports, {found.report_bytes / 1e6:.1f} MB")
    print(f"  {found.steps} finished steps, {found.runs} runs")


@command.command("clean")
@pipeline_argument
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Keep what the newest N runs use.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@workspace_option
def clean(pipeline: Path, keep: int, dry_run: bool, workspace: Path | None) -> None:
    """Remove what only older runs of PIPELINE's folder used."""
    from deploykit.pipeline.cache import clean_cache
    from deploykit.pipeline.run import locked

    store = store_of(pipeline, workspace)
    with locked(store):
        gone = clean_cache(store, keep_runs=keep, dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    freed = f"{gone.freed_bytes / 1e6:.1f} MB"
    print(f"{verb} {gone.runs} runs, {gone.steps} finished steps and {gone.blobs} files: {freed}")
