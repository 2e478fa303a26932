"""Measured layers, as a vendor's profiler tells them: a CSV file with a row a layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from deploykit.artifacts.layer_table import LayerKind, LayerRow
from deploykit.core.csv_file import read_csv
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

COUNTS = ("macs", "read_elements", "weight_elements", "write_elements", "special_ops")
COLUMNS = ("kind", "latency_us", *COUNTS, "name")
NEEDED = ("kind", "latency_us", "read_elements", "write_elements")


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer, and the seconds that it took on the chip."""

    row: LayerRow
    latency_s: float


def read_layers(path: Path) -> tuple[MeasuredLayer, ...]:
    """Read a file of measured layers; an empty count is 0.

    Raises:
        InputError: everything that is wrong with it, each fault with its line.
    """
    table = read_csv(path, example=",".join(COLUMNS[:-1]))
    faults = list(table.head_faults(COLUMNS))
    faults += [
        Fault(table.place, f"the column {name!r} is missing") for name in NEEDED if name not in table.head
    ]
    if faults:
        raise InputError(*faults)
    found = []
    for place, cells in table.rows:
        texts = table.texts(place, cells, faults)
        found.append(_layer(place, texts, faults) if texts else None)
    if faults:
        raise InputError(*faults)
    return tuple(layer for layer in found if layer is not None)


def _layer(place: str, texts: Mapping[str, str], faults: list[Fault]) -> MeasuredLayer | None:
    before = len(faults)
    kinds: dict[str, LayerKind] = {kind: kind for kind in get_args(LayerKind)}
    if texts["kind"] not in kinds:
        faults.append(Fault(place, f"no layer kind {texts['kind']!r}{did_you_mean(texts['kind'], kinds)}"))
    counts = {name: texts.get(name, "") or "0" for name in COUNTS}
    for name, text in counts.items():
        if not text.isdecimal():
            faults.append(Fault(place, f"{name} is {text!r}", "a whole number, 0 or more"))
    latency_us = _positive(texts.get("latency_us", ""))
    if latency_us is None:
        faults.append(Fault(place, f"latency_us is {texts.get('latency_us', '')!r}", "a number above zero"))
    if len(faults) > before or latency_us is None:
        return None
    macs, read, weights, write, special = (int(counts[name]) for name in COUNTS)
    row = LayerRow(kinds[texts["kind"]], macs, 0, read, weights, write, special_ops=special)
    return MeasuredLayer(row, latency_us / 1e6)


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
