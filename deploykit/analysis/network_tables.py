"""The shipped layer tables of public networks, and which of them stands for which published measurement."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from deploykit.analysis.layer_table_file import read_table
from deploykit.artifacts.layer_table import NetworkTable
from deploykit.core.errors import input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import profile_folders


@dataclass(frozen=True)
class PublishedNetwork:
    """A network of a published latency table: its repository, name and input shape there, and our table.

    `table` is "" where the network can't be rebuilt faithfully; `note` says why, or what to know about it.
    """

    source_repo: str
    model: str
    input_shape: str
    table: str
    note: str


def table_names() -> tuple[str, ...]:
    """Give the names of the shipped tables, sorted: "resnet50_1x3x224x224"."""
    return tuple(sorted(path.stem for path in (_folder() / "networks").glob("*.csv")))


def load_table(name: str) -> NetworkTable:
    """Read a shipped table by its name.

    Raises:
        InputError: there is none of this name.
    """
    path = _folder() / "networks" / f"{name}.csv"
    if not path.is_file():
        raise input_error(
            "network tables", f"there is none named {name!r}{did_you_mean(name, table_names())}"
        )
    return read_table(path)


def published_networks() -> tuple[PublishedNetwork, ...]:
    """Give all networks of the published latency tables that were looked at."""
    with (_folder() / "published_networks.csv").open(newline="") as file:
        return tuple(PublishedNetwork(**row) for row in csv.DictReader(file))


def _folder() -> Path:
    return next(folder for folder in profile_folders(None) if (folder / "networks").is_dir())
