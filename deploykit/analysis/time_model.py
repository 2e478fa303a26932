"""The time of a network's layers: compute, memory, vector work and overhead, each at its own rate.

A layer takes the longer of work / rate and off-chip bytes / bandwidth, then what it computes by table, then
an overhead; a network takes a fixed time on top. Layers with MACs work at `efficiency` of their class x
peak, the others at the vector rate of their class (bytes read and written a second). Operations by table
behind MACs (the sigmoid of a SiLU) read and write an element each, at the rate of such layers. Activations
stay on the chip where a layer's inputs and outputs together fit `resident_bytes`; with `rereads_tiles`, where
neither they nor the weights fit, the cheaper of the two is read again for every tile of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy
import numpy.typing

from deploykit.artifacts.layer_table import LayerKind, LayerRow
from deploykit.core.calibration import MacClass, Rates, VectorClass

Floats = numpy.typing.NDArray[numpy.float64]
Integers = numpy.typing.NDArray[numpy.int64]
Flags = numpy.typing.NDArray[numpy.bool_]

MAC_CLASSES: tuple[MacClass, ...] = ("conv", "stem", "pointwise", "depthwise", "grouped", "matmul")
VECTOR_CLASSES: tuple[VectorClass, ...] = ("elementwise", "special", "move")
CLASSES: tuple[str, ...] = (*MAC_CLASSES, *VECTOR_CLASSES)

CLASS_OF: dict[LayerKind, str] = {
    "conv": "conv",
    "deconv": "conv",
    "stem": "stem",
    "pointwise": "pointwise",
    "fully_connected": "pointwise",
    "depthwise": "depthwise",
    "grouped": "grouped",
    "matmul": "matmul",
    "elementwise": "elementwise",
    "pool": "elementwise",
    "upsample": "elementwise",
    "softmax": "special",
    "normalisation": "special",
    "activation": "special",
    "move": "move",
}
"""The class whose rate a kind of layer shares."""

KINDS: tuple[LayerKind, ...] = tuple(CLASS_OF)
_CLASS_INDEX = numpy.array([CLASSES.index(name) for name in CLASS_OF.values()], dtype=numpy.int64)


@dataclass(frozen=True)
class LayerColumns:
    """The layers of some networks as columns; `network` gives each layer's network, counted from 0, `kind`
    its index in `KINDS`. `fixed` is 1 for a network, and 0 for a layer that was measured alone."""

    network: Integers
    kind: Integers
    ops: Floats
    weight_bytes: Floats
    activation_bytes: Floats
    special_bytes: Floats
    count: Floats
    fixed: Floats

    @property
    def networks(self) -> int:
        """Give how many networks there are."""
        return self.fixed.size

    @property
    def rate_class(self) -> Integers:
        """Give the index in `CLASSES` of each layer's class."""
        return _CLASS_INDEX[self.kind]

    def sums(self, per_layer: Floats) -> Floats:
        """Add a figure of single layers up to one a network."""
        found: Floats = numpy.bincount(self.network, per_layer * self.count, minlength=self.networks).astype(
            numpy.float64
        )
        return found

    def only(self, chosen: Sequence[int]) -> LayerColumns:
        """Give the layers of some networks, which are counted anew in this order."""
        place = numpy.full(self.networks, -1, dtype=numpy.int64)
        place[list(chosen)] = numpy.arange(len(chosen))
        kept = place[self.network] >= 0
        return LayerColumns(
            place[self.network][kept],
            self.kind[kept],
            self.ops[kept],
            self.weight_bytes[kept],
            self.activation_bytes[kept],
            self.special_bytes[kept],
            self.count[kept],
            self.fixed[list(chosen)],
        )


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of single layers: `work_s` at the rate of the class, `memory_s` for off-chip bytes, `special_s`
    by table, `total_s` of all with the overhead."""

    work_s: Floats
    memory_s: Floats
    special_s: Floats
    total_s: Floats


def layer_columns(
    networks: Iterable[Iterable[LayerRow]], *, weight_bits: int, activation_bits: int, alone: int = 0
) -> LayerColumns:
    """Put the layers of networks into columns, at a precision; the last `alone` are layers measured alone.

    Layers without MACs keep their vector operations for `spec_times`; those behind MACs cost nothing.
    """
    listed = [tuple(rows) for rows in networks]
    flat = [(index, row) for index, rows in enumerate(listed) for row in rows]
    fixed = numpy.ones(len(listed))
    fixed[len(listed) - alone :] = 0.0

    def column(values: Iterable[float]) -> Floats:
        return numpy.fromiter(values, dtype=numpy.float64, count=len(flat))

    return LayerColumns(
        network=numpy.array([index for index, _ in flat], dtype=numpy.int64),
        kind=numpy.array([KINDS.index(row.kind) for _, row in flat], dtype=numpy.int64),
        ops=column(2 * row.macs or row.vector_ops for _, row in flat),
        weight_bytes=column(row.weight_elements * weight_bits / 8 for _, row in flat),
        activation_bytes=column(
            (row.read_elements + row.write_elements) * activation_bits / 8 for _, row in flat
        ),
        special_bytes=column(row.special_ops * activation_bits / 4 if row.macs else 0.0 for _, row in flat),
        count=column(row.count for _, row in flat),
        fixed=fixed,
    )


def off_chip_bytes(table: LayerColumns, resident_bytes: float, *, rereads_tiles: bool = False) -> Floats:
    """Give the bytes that each layer moves over the memory bus."""
    weights, activations = table.weight_bytes, table.activation_bytes
    spilled = numpy.where(activations <= resident_bytes, 0.0, activations)
    if not rereads_tiles or resident_bytes <= 0:
        return weights + spilled
    again_weights = weights * (numpy.ceil(activations / resident_bytes) - 1)
    again_activations = activations * (numpy.ceil(weights / resident_bytes) - 1)
    tiled = (weights > resident_bytes) & (activations > resident_bytes)
    return weights + spilled + numpy.where(tiled, numpy.minimum(again_weights, again_activations), 0.0)


def layer_times(table: LayerColumns, rates: Rates, *, peak_ops_per_s: float) -> LayerTimes:
    """Give the seconds of every layer."""
    by_class = numpy.array(
        [
            *(peak_ops_per_s * rates.efficiency[name] for name in MAC_CLASSES),
            *(rates.vector_bytes_per_s[name] for name in VECTOR_CLASSES),
        ]
    )
    rate_class = table.rate_class
    amount = numpy.where(rate_class < len(MAC_CLASSES), table.ops, table.activation_bytes)
    work_s = amount / by_class[rate_class]
    moved = off_chip_bytes(table, rates.resident_bytes, rereads_tiles=rates.rereads_tiles)
    memory_s = moved / rates.bandwidth_bytes_per_s
    special_s = table.special_bytes / rates.vector_bytes_per_s["special"]
    busy_s = numpy.maximum(work_s, memory_s)
    return LayerTimes(work_s, memory_s, special_s, busy_s + special_s + rates.layer_overhead_s)


def network_times(table: LayerColumns, rates: Rates, *, peak_ops_per_s: float) -> Floats:
    """Give the seconds of every network."""
    times = layer_times(table, rates, peak_ops_per_s=peak_ops_per_s)
    return table.sums(times.total_s) + rates.network_overhead_s * table.fixed


def kind_shares(table: LayerColumns, times: LayerTimes) -> Floats:
    """Give each network's share of time by kind of layer: a row a network, a column a kind."""
    spent = numpy.zeros((table.networks, len(KINDS)))
    numpy.add.at(spent, (table.network, table.kind), times.total_s * table.count)
    whole: Floats = spent / spent.sum(axis=1, keepdims=True)
    return whole


def spec_times(table: LayerColumns, *, peak_ops_per_s: float, bandwidth_bytes_per_s: float) -> Floats:
    """Give the seconds that the data sheet promises: every efficiency 1, no overhead, nothing stays on the
    chip."""
    moved = table.weight_bytes + table.activation_bytes
    return table.sums(numpy.maximum(table.ops / peak_ops_per_s, moved / bandwidth_bytes_per_s))
