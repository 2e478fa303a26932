"""`deploykit diff`: any board dump against any reference. The options are those of `align.main`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from deploykit.align.network import Network
    from deploykit.align.pictures import Picture
    from deploykit.align.result import Diff


@click.command(
    "diff",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Hand the arguments through: there is one list of options."""
    from deploykit.align.main import main

    return main(arguments, draw=_draw, open_network=_open_network)


def _open_network(path: Path) -> Network:
    from deploykit.stages.layer_alone import open_network

    return open_network(path)


def _draw(diff: Diff, pictures: Sequence[Picture]) -> str:
    from deploykit.reports.diff_page import write_diff_page

    return write_diff_page(diff, pictures)
