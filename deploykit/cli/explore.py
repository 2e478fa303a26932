"""`deploykit explore`: a network's costs over chips and sizes, as one page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import click

from deploykit.cli.options import profiles_of
from deploykit.core.errors import Fault, InputError


@click.command("explore")
@click.argument("model", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--chips", required=True, metavar="A,B|all", help="Chip profiles by name or YAML file.")
@click.option(
    "--axis",
    "axes",
    metavar="NAME=SIZE,SIZE,...",
    multiple=True,
    help="Sizes to choose from, for a name that the model leaves free; repeat it for each.",
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Measured times of layers, a CSV file: node,latency_ms and, where they differ, chip,precision.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The HTML file to write.",
)
def command(model: Path, chips: str, axes: tuple[str, ...], measured: Path | None, output: Path) -> None:
    """Write a page of MODEL's costs: each layer under the roofs, in the graph and in a table.

    Chip, precision and sizes are chosen on the page; every combination is computed here.
    """
    from deploykit.core.store import disk_faults
    from deploykit.reports.explorer import write_explorer
    from deploykit.reports.views.explorer import explorer_view
    from deploykit.stages.assess.grid import cost_grid

    profiles = profiles_of(chips)
    grid = cost_grid(model, profiles, bindings=_bindings(axes), measured=measured)
    with disk_faults(output):
        output.write_text(write_explorer(explorer_view(grid)), encoding="utf-8")
    print(output)


def _bindings(axes: tuple[str, ...]) -> tuple[dict[str, int], ...]:
    """Give every combination of the axes' sizes.

    Raises:
        InputError: every axis that cannot be read.
    """
    found: dict[str, tuple[int, ...]] = {}
    faults: list[Fault] = []
    for text in axes:
        name, _, sizes = text.rpartition("=")
        values = [size.strip() for size in sizes.split(",")]
        if not name or not all(size.isdigit() and int(size) > 0 for size in values):
            faults.append(Fault(f"--axis {text}", "is not of the form NAME=SIZE,SIZE", "such as batch=1,2,4"))
        elif name in found:
            faults.append(Fault(f"--axis {text}", f"{name} is given twice", "list its sizes in one --axis"))
        else:
            found[name] = tuple(dict.fromkeys(map(int, values)))
    if faults:
        raise InputError(*faults)
    return tuple(_combinations(found))


def _combinations(axes: dict[str, tuple[int, ...]]) -> Iterator[dict[str, int]]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
