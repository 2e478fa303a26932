"""A user's command that dumps its steps: a list of arguments, its own folder, a time limit, output kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.errors import input_error
from deploykit.core.process import run_program

OUTPUT = "output.txt"
DUMP = "dump"


@dataclass(frozen=True)
class StepCommand:
    """A command and the most time that it may take.

    In its arguments `{dump}` is the empty folder that it writes its steps into (DEPLOYKIT_DUMP in its
    environment too), `{here}` the folder of the file that names it. `environment` is added to the user's.
    """

    command: tuple[str, ...]
    time_limit_s: float = 600.0
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class StepCommands:
    """The two programs whose steps are compared."""

    reference: StepCommand
    board: StepCommand


def run_step_command(step: StepCommand, folder: Path, *, here: Path, place: str) -> Path:
    """Run a command in `folder`, which is made anew; gives the folder of its dumps.

    What it prints is kept in `output.txt`. No shell takes part.

    Raises:
        InputError: no such program, a code other than 0, out of time, nothing dumped; or `folder` holds what
            no such run has left.
    """
    dump = _fresh(folder, place)
    names = {"{dump}": str(dump), "{here}": str(here)}
    arguments = [_filled(argument, names) for argument in step.command]
    if not arguments:
        raise input_error(place, "the command is empty", "write a list: [python, steps.py, ...]")
    finished = run_program(
        arguments,
        folder,
        output=folder / OUTPUT,
        time_limit_s=step.time_limit_s,
        environment={**(step.environment or {}), "DEPLOYKIT_DUMP": str(dump)},
    )
    if finished.error:
        raise input_error(place, finished.error)
    if finished.code is None:
        what = f"not done after {step.time_limit_s:g} s (time_limit_s)"
        raise input_error(place, what, finished.kept)
    if finished.code:
        raise input_error(place, finished.how, finished.kept)
    if not any(dump.iterdir()):
        raise input_error(place, "has dumped nothing into {dump}", finished.kept)
    return dump


def _fresh(folder: Path, place: str) -> Path:
    """Make the folder; one that an earlier run has left is replaced."""
    if folder.exists():
        if not {item.name for item in folder.iterdir()} <= {OUTPUT, DUMP} or not (folder / OUTPUT).is_file():
            raise input_error(place, f"{folder} is in the way", "name another --folder")
        shutil.rmtree(folder)
    dump = folder / DUMP
    dump.mkdir(parents=True)
    return dump


def _filled(argument: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        argument = argument.replace(name, value)
    return argument
