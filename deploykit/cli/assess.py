"""`deploykit assess`: can these chips run these networks?"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploykit.cli.options import format_option
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile, load_profile, profile_names

if TYPE_CHECKING:
    from deploykit.stages.assess.read import ReadNetwork


@click.command("assess")
@click.argument("models", metavar="MODEL[@RATE]...", nargs=-1, required=True)
@click.option("--chips", required=True, metavar="A,B|all", help="Chip profiles by name or YAML file.")
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
@format_option
def command(
    models: tuple[str, ...],
    chips: str,
    scheme: str,
    bindings: tuple[str, ...],
    orders: int | None,
    advice: bool,
    form: str,
) -> None:
    """Say how fast each MODEL (an ONNX file) runs on the chips, what does not run there, and which is best.

    Models with a rate (det.onnx@30: runs per second) share the chip.
    """
    from deploykit.stages.assess.board import assess_chips

    profiles = _profiles(chips)
    networks = _networks(models, tuple(map(_binding, bindings)))
    answer = assess_chips(networks, profiles, scheme=scheme, orders=orders or 0, advise=advice)
    if form == "json":
        from deploykit.core.codec import encode

        print(encode(answer).decode())
        return
    from rich.console import Console

    from deploykit.reports.assessment import print_assessment

    print_assessment(answer, Console(width=None if sys.stdout.isatty() else 100))


def _profiles(chips: str) -> tuple[ChipProfile, ...]:
    here = Path.cwd()
    names = profile_names(beside=here) if chips == "all" else [name.strip() for name in chips.split(",")]
    found: list[ChipProfile] = []
    faults: list[Fault] = []
    for name in dict.fromkeys(names):
        try:
            found.append(load_profile(name, beside=here)[0])
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return tuple(found)


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
