"""A user's command that dumps its steps: a list of arguments, its own folder, a time limit, output kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.errors import input_error

OUTPUT = "output.txt"
DUMP = "dump"
LAST_LINES = 5


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
    environment = {**os.environ, **(step.environment or {}), "DEPLOYKIT_DUMP": str(dump)}
    with (folder / OUTPUT).open("wb") as output:
        try:
            process = subprocess.Popen(
                arguments,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # what it starts ends with it
            )
        except OSError as error:
            raise input_error(
                place, f"{arguments[0]!r} cannot be started: {error.strerror or error}"
            ) from error
        try:
            code = process.wait(step.time_limit_s)
        except subprocess.TimeoutExpired as error:
            what = f"not done after {step.time_limit_s:g} s (time_limit_s)"
            raise input_error(place, what, _kept(folder)) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code:
        raise input_error(place, f"ended with code {code}", _kept(folder))
    if not any(dump.iterdir()):
        raise input_error(place, "has dumped nothing into {dump}", _kept(folder))
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


def _kept(folder: Path) -> str:
    lines = (folder / OUTPUT).read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:]
    shown = f" (it ends: {' | '.join(lines)})" if lines else ""
    return f"its output is in {folder / OUTPUT}{shown}"
