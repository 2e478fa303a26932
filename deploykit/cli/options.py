"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deploykit.core.store import Store

if TYPE_CHECKING:
    from deploykit.core.profile import ChipProfile

Command = TypeVar("Command", bound=Callable[..., Any])

pipeline_argument = click.argument("pipeline", type=click.Path(path_type=Path, dir_okay=False))

set_option = click.option(
    "--set",
    "overrides",
    metavar="A.B=VALUE",
    multiple=True,
    help="Change a value of the YAML for this run, such as chip=orin-agx; repeatable.",
)
workspace_option = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for results and cache.  [default: .deploykit beside the YAML]",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How results are printed on stdout.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="all cores",
    help="How many processes long steps may use.",
)


def profiles_of(chips: str) -> tuple[ChipProfile, ...]:
    """Read the profiles that `--chips` names, each once.

    Raises:
        InputError: every fault of every profile.
    """
    from deploykit.core.errors import Fault, InputError
    from deploykit.core.profile import load_profile, profile_names

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


def store_of(pipeline: Path, workspace: Path | None) -> Store:
    """Give the store that a command works on."""
    return Store((workspace or pipeline.parent / ".deploykit").absolute())


def selection_options(command: Command) -> Command:
    """Add --from, --to, --only and --force."""
    options = (
        click.option(
            "--from", "first", metavar="STEP", default="", help="Begin here; earlier steps must be cached."
        ),
        click.option("--to", "last", metavar="STEP", default="", help="End here."),
        click.option("--only", metavar="STEP", multiple=True, help="Run this step alone; repeatable."),
        click.option(
            "--force",
            metavar="STEP|all",
            multiple=True,
            help="Run this step even if it is in the cache; repeatable.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
