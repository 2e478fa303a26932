"""Chips that are made up: their rates are known, so that what a fit finds can be checked."""

from __future__ import annotations

from typing import Protocol

import numpy
import pytest

from deploykit.analysis.time_model import (
    CLASS_OF,
    KINDS,
    MAC_CLASSES,
    VECTOR_CLASSES,
    Floats,
    LayerColumns,
    layer_columns,
    network_times,
)
from deploykit.artifacts.layer_table import LayerKind, LayerRow
from deploykit.core.calibration import Rates

PEAK = 6e12

RATES = Rates(
    efficiency=dict(zip(MAC_CLASSES, (0.52, 0.2, 0.67, 0.09, 0.3, 0.35), strict=True)),
    bandwidth_bytes_per_s=32e9,
    resident_bytes=512e3,
    vector_bytes_per_s=dict(zip(VECTOR_CLASSES, (84e9, 64e9, 22e9), strict=True)),
    layer_overhead_s=2.2e-6,
    network_overhead_s=43e-6,
)


def _network(draw: numpy.random.Generator, kinds: list[LayerKind]) -> list[LayerRow]:
    """Draw a network of 20 to 60 layers."""
    scale, rows = 2 ** draw.uniform(-1, 2.5), []
    for _ in range(draw.integers(20, 60)):
        kind = kinds[draw.integers(len(kinds))]
        elements, weights = int(scale * 2 ** draw.uniform(14, 20)), int(2 ** draw.uniform(12, 20))
        if CLASS_OF[kind] in MAC_CLASSES:
            macs = int(elements * 2 ** draw.uniform(3, 9))
            rows.append(LayerRow(kind, macs, 0, elements, weights, elements))
        else:
            rows.append(LayerRow(kind, 0, elements, elements, 0, elements))
    return rows


def _made_up(count: int, seed: int = 0, without: str = "", noise: float = 0.0) -> tuple[LayerColumns, Floats]:
    draw = numpy.random.default_rng(seed)
    kinds = [kind for kind in KINDS if CLASS_OF[kind] != without]
    rows = [_network(draw, kinds) for _ in range(count)]
    columns = layer_columns(rows, weight_bits=8, activation_bits=8)
    exact = network_times(columns, RATES, peak_ops_per_s=PEAK)
    return columns, exact * numpy.exp(noise * draw.standard_normal(count))


class MakeChip(Protocol):
    """Gives networks of all kinds but one class, with latencies that are off by exp(`noise` x a normal
    number)."""

    def __call__(
        self, count: int, seed: int = 0, without: str = "", noise: float = 0.0
    ) -> tuple[LayerColumns, Floats]: ...


@pytest.fixture(scope="session")
def measured() -> MakeChip:
    """Give networks that a made-up chip of 6 TOPS ran."""

    return _made_up
