"""A table that the user wrote as CSV: its head, its rows with their places, and what is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.errors import Fault, input_error
from deploykit.core.names import did_you_mean


@dataclass(frozen=True)
class CsvTable:
    """The first line's names, and every line after it that is not blank, with its place (file:line)."""

    place: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def head_faults(self, known: Collection[str]) -> Iterator[Fault]:
        """Find columns that nobody knows, and those that stand twice."""
        for name in dict.fromkeys(self.head):
            if name not in known:
                fix = f"known: {', '.join(known)}"
                yield Fault(self.place, f"no column {name!r}{did_you_mean(name, known)}", fix)
            elif (times := self.head.count(name)) > 1:
                yield Fault(self.place, f"the column {name!r} stands {times} times")

    def texts(self, place: str, cells: Sequence[str], faults: list[Fault]) -> dict[str, str] | None:
        """Give a row's texts by column; None, and a fault, where it has another number of cells."""
        if len(cells) != len(self.head):
            what = f"{len(cells)} cells where the first line has {len(self.head)} columns"
            faults.append(Fault(place, what))
            return None
        return dict(zip(self.head, cells, strict=True))


def read_csv(path: Path, *, example: str) -> CsvTable:
    """Read a CSV file; `example` is a first line, for who has none.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [tuple(cell.strip() for cell in cells) for cells in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise input_error(str(path), f"can't be read: {error}") from None
    if not lines:
        raise input_error(str(path), "is empty", f"write a line of columns: {example}")
    rows = tuple((f"{path}:{number}", cells) for number, cells in enumerate(lines[1:], start=2) if any(cells))
    return CsvTable(f"{path}:1", lines[0], rows)
