"""What a bank plan saves in time: each layer takes the longer of its operations and its off-chip bytes.

Weights that aren't on chip can be fetched while the layer before them computes, where a bank has room for
them over both: that moves bytes from a layer that waits for memory to one that doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.banks.accesses import NetworkTraffic
from deploykit.analysis.blanks import fill_blanks
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Scheme
from deploykit.core.profile import ChipProfile


@dataclass
class LayerTime:
    """One layer: nodes that run over the same steps; seconds of operations, bytes, fixed overhead."""

    first: int
    end: int
    compute_s: float
    moved_bytes: int
    overhead_s: float

    def time_s(self, bandwidth: float) -> float:
        """Give max(operations, bytes / bandwidth) + overhead."""
        return max(self.compute_s, self.moved_bytes / bandwidth) + self.overhead_s

    def spare_bytes(self, bandwidth: float) -> int:
        """Give the bytes that could be moved beside the operations at no cost."""
        return max(int(self.compute_s * bandwidth) - self.moved_bytes, 0)

    def waiting_bytes(self, bandwidth: float) -> int:
        """Give the bytes that the operations wait for."""
        return max(self.moved_bytes - int(self.compute_s * bandwidth), 0)


@dataclass(frozen=True)
class LayerTimes:
    """All layers in execution order at one off-chip bandwidth, and the layer of each node."""

    layers: tuple[LayerTime, ...]
    of: Mapping[str, LayerTime]
    bandwidth: float

    @property
    def total_s(self) -> float:
        """Seconds of all layers, one after the other."""
        return sum(layer.time_s(self.bandwidth) for layer in self.layers)


def layer_times(
    partition: Partition,
    traffic: NetworkTraffic,
    schemes: Mapping[str, Scheme],
    profile: ChipProfile,
    moved: Sequence[tuple[str, int]] = (),
) -> LayerTimes | None:
    """Time the layers; `moved` are bytes that nodes (by id) don't move. None where a rate has no range."""
    chip = fill_blanks(profile, at="typical").profile
    bandwidth = chip.dram.bandwidth_bytes_per_s.value
    if bandwidth is None:
        return None
    layers: dict[tuple[int, int], LayerTime] = {}
    of: dict[str, LayerTime] = {}
    for touch in traffic.touches:
        span = (touch.first, touch.end)
        layer = layers.setdefault(span, LayerTime(*span, 0.0, 0, 0.0))
        layer.moved_bytes += touch.size_bytes
        if touch.node not in of:
            engine = chip.engines[0] if touch.on_main else chip.engine(chip.fallback)
            peak = engine.peak_of(schemes.get(touch.node, "float32")).value or next(
                (peak.value for peak in engine.peak_ops_per_s.values() if peak.value), None
            )
            if peak is None:
                return None
            work = traffic.works[touch.node]
            layer.compute_s += (2 * work.macs + work.vector_ops) / peak
            layer.overhead_s = max(layer.overhead_s, engine.node_overhead_s.value or 0.0)
            of[touch.node] = layer
    for node, size in moved:
        of[node].moved_bytes -= size
    return LayerTimes(tuple(sorted(layers.values(), key=lambda it: (it.end, it.first))), of, bandwidth)
