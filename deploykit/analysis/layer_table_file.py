"""Layer tables as CSV files: lines "# key: value" about the network, then a row a layer."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import get_args

from deploykit.artifacts.layer_table import LayerKind, LayerRow, NetworkTable
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

KEYS = ("name", "source", "input_shape", "batch", "parameters")
COLUMNS = tuple(field.name for field in fields(LayerRow))
"""The last one, `special_ops`, may be absent and counts as 0 then."""


def write_table(table: NetworkTable) -> str:
    """Give a table as the text of its file."""
    text = io.StringIO()
    shape = "x".join(map(str, table.input_shape))
    for key, value in zip(
        KEYS, (table.name, table.source, shape, table.batch, table.parameters), strict=True
    ):
        text.write(f"# {key}: {value}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in table.rows)
    return text.getvalue()


def read_table(path: Path) -> NetworkTable:
    """Read a table from its file.

    Raises:
        InputError: everything that is wrong with it, with line numbers.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise input_error(str(path), f"can't be read: {error.strerror}") from None
    head = {
        key.strip("# "): value.strip() for key, _, value in (x.partition(":") for x in lines if x[:1] == "#")
    }
    faults: list[Fault] = []
    rows = tuple(row for row in _rows(path, lines, faults) if row is not None)
    missing = [key for key in KEYS if key not in head]
    faults += [Fault(str(path), f"has no line '# {key}: ...'") for key in missing]
    if not missing:
        faults += _head_faults(path, head)
    if faults:
        raise InputError(*faults)
    shape = tuple(int(dim) for dim in head["input_shape"].split("x"))
    return NetworkTable(
        head["name"], head["source"], shape, int(head["batch"]), int(head["parameters"]), rows
    )


def _head_faults(path: Path, head: Mapping[str, str]) -> list[Fault]:
    numbers = {"batch": [head["batch"]], "parameters": [head["parameters"]]}
    numbers["input_shape"] = head["input_shape"].split("x")
    return [
        Fault(str(path), f"{key} is {head[key]!r}", "whole numbers; a shape is written 1x3x224x224")
        for key, texts in numbers.items()
        if not all(text.isdecimal() for text in texts)
    ]


def _rows(path: Path, lines: list[str], faults: list[Fault]) -> list[LayerRow | None]:
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line and line[0] != "#"]
    given = tuple(numbered[0][1].split(",")) if numbered else ()
    if given not in (COLUMNS, COLUMNS[:-1]):
        place = f"{path}:{numbered[0][0]}" if numbered else str(path)
        faults.append(
            Fault(place, "the columns are not those of a layer table", f"write {','.join(COLUMNS)}")
        )
        return []
    return [_row(f"{path}:{number}", line.split(","), given, faults) for number, line in numbered[1:]]


def _row(place: str, cells: list[str], columns: Sequence[str], faults: list[Fault]) -> LayerRow | None:
    kinds: dict[str, LayerKind] = {kind: kind for kind in get_args(LayerKind)}
    before = len(faults)
    if len(cells) != len(columns):
        faults.append(Fault(place, f"{len(cells)} cells where {len(columns)} belong"))
        return None
    if cells[0] not in kinds:
        faults.append(Fault(place, f"no layer kind {cells[0]!r}{did_you_mean(cells[0], kinds)}"))
    for name, cell in zip(columns[1:], cells[1:], strict=True):
        if not cell.isdecimal():
            faults.append(Fault(place, f"{name} is {cell!r}", "a whole number, 0 or more"))
    return LayerRow(kinds[cells[0]], *map(int, cells[1:])) if len(faults) == before else None
