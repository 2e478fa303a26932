"""Segments with their figures, and nodes by precision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorstDump:
    """The tensor of a segment that differs most between the float and the quantized run."""

    tensor: str
    sqnr_db: float | None
    equal: bool
    max_abs: float | None
    failed: int
    """How many of the segment's tensors did not pass."""


@dataclass(frozen=True)
class SegmentRow:
    """One segment: sums over its nodes. Costs are None where `analyze` was not run."""

    network: str
    segment: str
    engine: str
    reason: str
    nodes: int
    schemes: tuple[tuple[str, int], ...]
    """Precision schemes with their node counts, most frequent first."""
    macs: int | None
    time_s: float | None
    time_share: float | None
    """Part of the whole network's predicted time, 0 to 1."""
    traffic_bytes: int | None
    weight_bytes: int | None
    worst: WorstDump | None


@dataclass(frozen=True)
class PrecisionGroup:
    """Nodes that have the same scheme for the same reason."""

    scheme: str
    reason: str
    nodes: tuple[str, ...]
    macs_share: float | None
    time_share: float | None
