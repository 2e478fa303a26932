"""Buffers with their lifetimes as CSV, in minimalloc's columns: id, lower, upper, size."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.csv_file import CsvTable, read_csv
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.solve.memory.problem import PackingProblem, Rectangle

COLUMNS = ("id", "lower", "upper", "size")
MOST = 1 << 62
"""Times, and all sizes together, are counted in 64 bits."""


@dataclass(frozen=True)
class LifetimeTable:
    """Buffers by name; each is alive over the half-open [lower, upper) and takes size bytes."""

    names: tuple[str, ...]
    problem: PackingProblem


def read_lifetimes(path: Path, *, alignment: int = 1) -> LifetimeTable:
    """Read a table of buffers.

    Raises:
        InputError: the file cannot be read; columns or numbers are missing or wrong; two buffers share an id.
    """
    table = read_csv(path, example=",".join(COLUMNS))
    faults = list(table.head_faults(COLUMNS))
    faults += [
        Fault(table.place, f"the column {name!r} is missing", f"the columns are {','.join(COLUMNS)}")
        for name in COLUMNS
        if name not in table.head
    ]
    if faults:
        raise InputError(*faults)
    if not table.rows:
        raise InputError(Fault(str(path), "has no buffers", "write a line for each buffer below the columns"))
    rows = _rows(table, faults)
    if faults:
        raise InputError(*faults)
    problem = PackingProblem(tuple(rows.values()), alignment)
    if sum(problem.sizes) > MOST:
        what = f"its buffers take {sum(problem.sizes)} bytes together, at an alignment of {alignment}"
        raise InputError(Fault(str(path), what, f"{MOST} is the most"))
    return LifetimeTable(tuple(rows), problem)


def _rows(table: CsvTable, faults: list[Fault]) -> dict[str, Rectangle]:
    found: dict[str, Rectangle] = {}
    for place, cells in table.rows:
        texts = table.texts(place, cells, faults)
        if texts is None:
            continue
        if texts["id"] in found:
            faults.append(Fault(place, f"a second buffer {texts['id']!r}", "give each an id of its own"))
        numbers = {name: _whole_number(texts[name], name, place, faults) for name in COLUMNS[1:]}
        lower, upper, size = numbers["lower"], numbers["upper"], numbers["size"]
        if lower is None or upper is None or size is None:
            continue
        if size < 1:
            faults.append(Fault(place, f"buffer {texts['id']!r} takes {size} bytes", "leave it out"))
        elif lower >= upper:
            what = f"buffer {texts['id']!r} lives from {lower} to {upper}, which is no time"
            faults.append(Fault(place, what, "lower must be less than upper: the interval is half-open"))
        else:
            found[texts["id"]] = Rectangle(size, lower, upper)
    return found


def _whole_number(text: str, name: str, place: str, faults: list[Fault]) -> int | None:
    try:
        number = int(text)
    except ValueError:
        faults.append(Fault(place, f"{name} is {text!r}, which is no whole number"))
        return None
    if abs(number) > MOST:
        faults.append(Fault(place, f"{name} is {number}", f"numbers go from -{MOST} to {MOST}"))
        return None
    return number


def write_offsets(path: Path, table: LifetimeTable, offsets: Sequence[int]) -> None:
    """Write the table with a column more: where each buffer starts.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        file = path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise input_error(str(path), f"can't be written: {error.strerror}") from error
    with file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "offset"))
        for name, item, offset in zip(table.names, table.problem.rectangles, offsets, strict=True):
            writer.writerow((name, item.first, item.end, item.size, offset))
