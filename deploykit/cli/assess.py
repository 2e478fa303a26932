"""`deploykit assess`: can these chips run these networks?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploykit.cli.options import format_option, profiles_of, set_option, store_of, workspace_option

if TYPE_CHECKING:
    pass


@click.command("assess")
@click.argument("models", metavar="MODEL[@RATE]...", nargs=-1)
@click.option("--chips", metavar="A,B|all", help="Chip profiles by name or YAML file.")
@click.option("--scheme", default="", help="The precision to answer for.  [default: the engine's first]")
@click.option(
    "--bind",
    "bindings",
    metavar="NAME=SIZE,...",
    multiple=True,
    help="Sizes that the models leave free (N=6, image=1x3x480x640, det:N=6); again: side by side.",
)
@click.option("--orders", type=click.IntRange(min=1), help="How many chips you order, for their cost.")
@click.option(
    "--trips", metavar="NODE=COUNT", multiple=True, help="How often a Loop runs at most; repeatable."
)
@click.option(
    "--simplify/--no-simplify", default=True, help="Fold what is constant first, as the export step does."
)
@click.option("--advice", is_flag=True, help="Say what would make the networks faster, and by how much.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PIPELINE",
    help="Instead of models: how far a pipeline's networks are, from its records.",
)
@click.option(
    "--days",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --work: your own estimate, a YAML of NETWORK: {AREA: DAYS}.",
)
@set_option
@workspace_option
@format_option
def command(
    models: tuple[str, ...],
    chips: str | None,
    scheme: str,
    bindings: tuple[str, ...],
    orders: int | None,
    trips: tuple[str, ...],
    simplify: bool,
    advice: bool,
    work: Path | None,
    days: Path | None,
    overrides: tuple[str, ...],
    workspace: Path | None,
    form: str,
) -> None:
    """Say how fast each MODEL (an ONNX file) runs on the chips, what does not run there, and which is best.

    Models with a rate (det.onnx@30: runs per second) share the chip.
    """
    if work is not None:
        if models or chips:
            raise click.UsageError("give either MODELs with --chips, or --work")
        _show_work(work, days, overrides, workspace, form)
        return
    if not models or not chips:
        raise click.UsageError("give one MODEL or more, and --chips (a name, or all)")
    from deploykit.cli.assess_words import read_networks
    from deploykit.stages.assess.board import assess_chips

    profiles = profiles_of(chips)
    networks = read_networks(models, bindings, trips=trips, simplify=simplify)
    answer = assess_chips(networks, profiles, scheme=scheme, orders=orders or 0, advise=advice)
    from deploykit.reports.assessment import assessment_json, print_assessment

    if form == "json":
        print(assessment_json(answer))
        return
    from rich.console import Console

    print_assessment(answer, Console(width=None if sys.stdout.isatty() else 100))


def _show_work(
    pipeline: Path, days: Path | None, overrides: tuple[str, ...], workspace: Path | None, form: str
) -> None:
    from deploykit.pipeline.run import load_contexts, locked
    from deploykit.pipeline.work import read_work
    from deploykit.reports.work import print_work, work_json

    store = store_of(pipeline, workspace)
    contexts = load_contexts(pipeline, overrides, store)
    with locked(store):
        found = [read_work(context, store, days_file=days) for context in contexts]
    if form == "json":
        print(work_json(found))
        return
    from rich.console import Console

    for estimate in found:
        print_work(estimate, Console(width=None if sys.stdout.isatty() else 100))
