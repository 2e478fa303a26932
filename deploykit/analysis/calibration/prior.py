"""What is known of an engine's rates before anything is measured on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy

from deploykit.analysis.time_model import MAC_CLASSES, VECTOR_CLASSES, Floats
from deploykit.core.calibration import MacClass, Rates, VectorClass

EFFICIENCY: dict[MacClass, tuple[float, float]] = {
    "conv": (0.5, 0.6),
    "stem": (0.2, 0.8),
    "pointwise": (0.5, 0.6),
    "depthwise": (0.08, 0.8),
    "grouped": (0.3, 0.8),
    "matmul": (0.3, 0.8),
}
"""Share of the peak: typical value, and how far chips spread around it (a standard deviation of its
logarithm). Kinds that use the multipliers badly by their shape (few input channels, one channel a group)
reach less."""

VECTOR_BYTES_PER_OP: dict[VectorClass, tuple[float, float]] = {
    "elementwise": (0.015, 1.0),
    "special": (0.008, 1.0),
    "move": (0.008, 1.0),
}
"""Bytes a second of vector layers per operation a second of the peak: vector units grow with the
multipliers."""

BYTES_PER_OP = (0.005, 0.8)
"""DRAM bytes a second per operation a second, where the profile does not know the bandwidth."""

BANDWIDTH = (0.7, 0.5)
"""Share of the bandwidth in the profile that networks reach."""

LAYER_S = (3e-6, 1.0)
NETWORK_S = (50e-6, 1.0)

CAP_WIDTH = 0.1
"""Efficiencies above 1 are held back as if they were measurements of 1 with this spread of the
logarithm."""

RESIDENT_BYTES = (256e3, 512e3, 1e6, 2e6, 4e6)
"""On-chip sizes that a fit tries, as edge chips have them; the one it takes is effective, not physical."""


@dataclass(frozen=True)
class Prior:
    """Typical values and spreads of the logarithms of all rates in the order of `pack`; sizes that are
    tried."""

    centre: Floats
    width: Floats
    peak_ops_per_s: float
    resident_bytes: tuple[float, ...] = RESIDENT_BYTES


def prior_for(peak_ops_per_s: float, bandwidth_bytes_per_s: float | None) -> Prior:
    """Give the prior of an engine from its peak and, where known, the chip's bandwidth."""
    share, known_width = BANDWIDTH
    per_op, blank_width = BYTES_PER_OP
    if bandwidth_bytes_per_s is None:
        bandwidth, width = per_op * peak_ops_per_s, blank_width
    else:
        bandwidth, width = share * bandwidth_bytes_per_s, known_width
    pairs = [
        *EFFICIENCY.values(),
        (bandwidth, width),
        *((value * peak_ops_per_s, spread) for value, spread in VECTOR_BYTES_PER_OP.values()),
        LAYER_S,
        NETWORK_S,
    ]
    centre = numpy.array([math.log(value) for value, _ in pairs])
    return Prior(centre, numpy.array([spread for _, spread in pairs]), peak_ops_per_s)


def unpack(logs: Floats, resident_bytes: float, rereads_tiles: bool) -> Rates:
    """Give rates from the logarithms of: efficiencies by class, bandwidth, vector rates by class, the
    overheads of a layer and of a network."""
    values = [float(value) for value in numpy.exp(logs)]
    macs, vectors = len(MAC_CLASSES), len(VECTOR_CLASSES)
    return Rates(
        efficiency=dict(zip(MAC_CLASSES, values[:macs], strict=True)),
        bandwidth_bytes_per_s=values[macs],
        resident_bytes=resident_bytes,
        vector_bytes_per_s=dict(zip(VECTOR_CLASSES, values[macs + 1 : macs + 1 + vectors], strict=True)),
        layer_overhead_s=values[-2],
        network_overhead_s=values[-1],
        rereads_tiles=rereads_tiles,
    )
