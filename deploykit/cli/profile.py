"""`deploykit profile`: the chip profiles."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploykit.cli.options import format_option
from deploykit.cli.profile_host import measure
from deploykit.cli.profile_text import list_line, profile_lines
from deploykit.core.codec import to_plain
from deploykit.core.profile import load_profile, profile_names


@click.group("profile")
def command() -> None:
    """Show the chip profiles, and measure this machine."""


@command.command("list")
def list_profiles() -> None:
    """List the chips that are found from here, with their class and what is blank.

    Profiles beside a pipeline in this folder go first, then the shipped ones.
    """
    for name in profile_names(beside=Path.cwd()):
        profile, _ = load_profile(name, beside=Path.cwd())
        print(list_line(profile))


command.add_command(measure)


@command.command("show")
@click.argument("chip")
@format_option
def show(chip: str, form: str) -> None:
    """Show CHIP (a name, or a YAML file): every number with its source."""
    profile, path = load_profile(chip, beside=Path.cwd())
    if form == "json":
        print(json.dumps({"file": str(path), **to_plain(profile)}, indent=2))
        return
    print(f"{profile.title} ({path})")
    for line in profile_lines(profile):
        print(line)
