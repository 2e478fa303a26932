"""`deploykit assess`: can these chips run these networks?"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploykit.cli.options import format_option, profiles_of, set_option, store_of, workspace_option
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

if TYPE_CHECKING:
    from deploykit.stages.assess.read import ReadNetwork


@click.command("assess")
@click.argument("models", metavar="MODEL[@RATE]...", nargs=-1)
@click.option("--chips", metavar="A,B|all", help="Chip profiles by name or YAML file.")
@click.option("--scheme", default="", help="The precision to answer for.  [default: the engine's first]")
@click.option(
    "--bind",
    "bindings",
    metavar="NAME=SIZE,...",
    multiple=True,
    help="Sizes that the models leave free; given several times, the answers stand side by side.",
)
@click.option("--orders", type=click.IntRange(min=1), help="How many chips you order, for their cost.")
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
    from deploykit.stages.assess.board import assess_chips

    profiles = profiles_of(chips)
    networks = _networks(models, tuple(map(_binding, bindings)))
    answer = assess_chips(networks, profiles, scheme=scheme, orders=orders or 0, advise=advice)
    if form == "json":
        from deploykit.core.codec import encode

        print(encode(answer).decode())
        return
    from rich.console import Console

    from deploykit.reports.assessment import print_assessment

    print_assessment(answer, Console(width=None if sys.stdout.isatty() else 100))


def _show_work(
    pipeline: Path, days: Path | None, overrides: tuple[str, ...], workspace: Path | None, form: str
) -> None:
    from deploykit.core.codec import to_plain
    from deploykit.pipeline.run import load_contexts, locked
    from deploykit.pipeline.work import read_work

    store = store_of(pipeline, workspace)
    contexts = load_contexts(pipeline, overrides, store)
    with locked(store):
        found = [read_work(context, store, days_file=days) for context in contexts]
    if form == "json":
        print(json.dumps([to_plain(estimate) for estimate in found], indent=2))
        return
    from rich.console import Console

    from deploykit.reports.work import print_work

    for estimate in found:
        print_work(estimate, Console(width=None if sys.stdout.isatty() else 100))


def _networks(models: Sequence[str], bindings: tuple[dict[str, int], ...]) -> tuple[ReadNetwork, ...]:
    from deploykit.stages.assess.read import read_network

    found: list[ReadNetwork] = []
    faults: list[Fault] = []
    for name, (path, rate_hz) in zip(_names(models), map(_model, models), strict=True):
        try:
            found += read_network(path, network=name, rate_hz=rate_hz, bindings=bindings)
        except InputError as error:
            faults += error.faults
    faults = faults or list(_unused(found, bindings))
    if faults:
        raise InputError(*faults)
    return tuple(found)


def _unused(networks: Sequence[ReadNetwork], bindings: Sequence[dict[str, int]]) -> Iterator[Fault]:
    free = {name for network in networks for name in network.free}
    for name in dict.fromkeys(name for binding in bindings for name in binding):
        if name not in free:
            yield Fault(f"--bind {name}", f"no model has a free size of this name{did_you_mean(name, free)}")


def _names(models: Sequence[str]) -> Iterator[str]:
    """Name networks by their files, and number those of one name."""
    seen: dict[str, int] = {}
    for path, _ in map(_model, models):
        seen[path.stem] = seen.get(path.stem, 0) + 1
        yield path.stem if seen[path.stem] == 1 else f"{path.stem}~{seen[path.stem]}"


def _model(text: str) -> tuple[Path, float | None]:
    path, at, rate = text.rpartition("@")
    if not at or not path:
        return Path(text), None
    try:
        rate_hz = float(rate)
    except ValueError:
        return Path(text), None  # a path may hold an @
    if not 0 < rate_hz < math.inf:
        raise input_error(text, f"{rate} is no rate", "give runs per second, such as det.onnx@30")
    return Path(path), rate_hz


def _binding(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in text.split(","):
        name, equals, size = part.strip().rpartition("=")
        if not equals or not name or not size.strip().isdigit() or int(size) < 1:
            raise input_error(
                f"--bind {text}", f"{part!r} is not of the form NAME=SIZE", "such as batch=6,H=480"
            )
        if name in found:
            raise input_error(f"--bind {text}", f"{name} is given twice", "give --bind again for another set")
        found[name] = int(size)
    return found
