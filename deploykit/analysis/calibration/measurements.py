"""Measured latencies of networks, as a user writes them down: a CSV file with a row a network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.csv_file import CsvTable, read_csv
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

COLUMNS = ("model", "input_shape", "batch", "precision", "latency_ms", "fps", "family", "notes")
OTHER_UNITS = ("latency", "latency_s", "latency_us", "time_ms", "time_s", "ms", "us")

PRECISIONS = {
    "w8a8": "w8a8",
    "int8": "w8a8",
    "float16": "float16",
    "fp16": "float16",
    "float32": "float32",
    "fp32": "float32",
}
"""Schemes by the words for them, in lower case."""

AGREE = 0.05
"""How far latency and rate of a row may contradict each other, as a share."""


@dataclass(frozen=True)
class Measurement:
    """One measured network. `place` is file:line, `latency_s` that of one run of the whole batch.

    `input_shape` is "" where the file gives none; `family` puts networks of one design together.
    """

    place: str
    model: str
    input_shape: str
    batch: int
    precision: str
    latency_s: float
    family: str

    @property
    def name(self) -> str:
        """Give the name for tables of people."""
        return self.model if self.batch == 1 else f"{self.model} (batch {self.batch})"


def read_measurements(
    path: Path, *, check: Callable[[Measurement], Iterable[Fault]] | None = None
) -> tuple[Measurement, ...]:
    """Read a file of measurements; `check` finds more faults of a row, such as a network that nobody knows.

    Raises:
        InputError: everything that is wrong with it, each fault with its line.
    """
    table = read_csv(path, example=",".join(COLUMNS[:5]))
    faults = list(_head_faults(table))
    if faults:
        raise InputError(*faults)
    rows: list[Measurement] = []
    for place, cells in table.rows:
        texts = table.texts(place, cells, faults)
        row = _row(place, texts, faults) if texts else None
        rows += [row] if row else []
        faults += check(row) if check and row else ()
    faults += _twice(rows)
    if faults:
        raise InputError(*faults)
    return tuple(rows)


def _head_faults(table: CsvTable) -> Iterator[Fault]:
    units = [name for name in table.head if name in OTHER_UNITS]
    for name in units:
        fix = "give the latency in milliseconds, as latency_ms"
        yield Fault(table.place, f"no column {name!r}", fix)
    yield from table.head_faults((*COLUMNS, *units))
    if "model" not in table.head:
        yield Fault(table.place, "no column 'model'", "name a known network or an ONNX file in it")
    if "latency_ms" not in table.head and "fps" not in table.head:
        yield Fault(table.place, "no latency", "add a column latency_ms, or fps")


def _row(place: str, texts: Mapping[str, str], faults: list[Fault]) -> Measurement | None:
    before = len(faults)
    model, precision = texts["model"], texts.get("precision", "") or "w8a8"
    if not model:
        faults.append(Fault(place, "names no model"))
    batch = _number(place, "batch", texts.get("batch", "") or "1", faults)
    if batch is not None and batch != int(batch):
        faults.append(Fault(place, f"batch is {batch:g}", "a whole number"))
    if precision.lower() not in PRECISIONS:
        near = did_you_mean(precision.lower(), PRECISIONS)
        faults.append(Fault(place, f"no precision {precision!r}{near}", f"known: {', '.join(PRECISIONS)}"))
    latency_s = _latency(place, texts, int(batch or 1), faults)
    if len(faults) > before or latency_s is None or batch is None:
        return None
    shape = texts.get("input_shape", "").strip("[]").replace(", ", "x").replace(",", "x").replace(" ", "")
    family = texts.get("family", "") or family_of(model)
    return Measurement(place, model, shape, int(batch), PRECISIONS[precision.lower()], latency_s, family)


def _latency(place: str, texts: Mapping[str, str], batch: int, faults: list[Fault]) -> float | None:
    """Give the seconds of a row, from latency or rate; frames a second count every sample of the batch."""
    before = len(faults)
    given = {name: texts.get(name, "") for name in ("latency_ms", "fps")}
    found = {name: _number(place, name, text, faults) for name, text in given.items() if text}
    if len(faults) > before:
        return None
    times = [
        value / 1e3 if name == "latency_ms" else batch / value
        for name, value in found.items()
        if value is not None
    ]
    if not times:
        faults.append(Fault(place, "has no latency", "fill in latency_ms or fps, or drop the line"))
        return None
    if max(times) > min(times) * (1 + AGREE):
        both = f"{given['latency_ms']} ms and {given['fps']} frames a second at batch {batch}"
        fix = "keep the latency of one run of the whole batch"
        faults.append(Fault(place, f"{both} contradict each other", fix))
        return None
    return times[0]


def _number(place: str, name: str, text: str, faults: list[Fault]) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.append(Fault(place, f"{name} is {text!r}", "a number"))
        return None
    if value <= 0:
        faults.append(Fault(place, f"{name} is {text}", "a number above zero"))
        return None
    return value


def _twice(rows: Sequence[Measurement]) -> Iterator[Fault]:
    first: dict[tuple[str, str, int, str], Measurement] = {}
    for row in rows:
        key = (row.model, row.input_shape, row.batch, row.precision)
        other = first.setdefault(key, row)
        if other is not row:
            line = other.place.rsplit(":", 1)[-1]
            what = f"{row.model} at {row.precision} stands in line {line} too"
            yield Fault(row.place, what, "keep one of them")


def family_of(model: str) -> str:
    """Give the family of a network by its name: what stands before sizes and variants.

    "resnet50" and "resnet18" are of one family, so are "yolov8n" and "yolov8s"; "yolov8s" and "yolov5s"
    are not.
    """
    name = re.split("[_+-]", Path(model).stem.lower())[0]
    pattern = r"[a-z]+\d*" if "yolo" in name else r"[a-z]+?(?=v?\d|$)"
    found = re.match(pattern, name)
    return found.group(0) if found else name
