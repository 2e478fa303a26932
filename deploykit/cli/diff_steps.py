"""`deploykit diff-steps`: two programs that dump their pre- or post-processing, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from deploykit.toolchains.step_command import StepCommand


@click.command(
    "diff-steps", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where both run and dump.  [default: STEPS without .yaml, beside it]",
)
@click.argument("steps", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(folder: Path | None, steps: Path, options: tuple[str, ...]) -> int:
    """Run both commands of the YAML file STEPS, then compare their dumps as `deploykit diff` does; its
    OPTIONS may follow."""
    from deploykit.align.main import main
    from deploykit.core.errors import Fault, InputError
    from deploykit.toolchains.step_command import run_step_command

    root = (folder or steps.with_suffix("")).absolute()
    dumps = []
    faults: list[Fault] = []
    for name, step in _commands(steps).items():
        try:
            place = f"{steps}: {name}"
            dumps.append(run_step_command(step, root / name, here=steps.absolute().parent, place=place))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return main([*map(str, dumps), *options])


def _commands(steps: Path) -> dict[str, StepCommand]:
    from deploykit.core.yaml_file import load_document, parse
    from deploykit.toolchains.step_command import StepCommands

    found = parse(load_document(steps), StepCommands)
    return {"reference": found.reference, "board": found.board}
