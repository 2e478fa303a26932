"""Costs: nodes, operators, roofs, and what runs off the main engine."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.costs import Bound


@dataclass(frozen=True)
class NodeRow:
    """One node at the scheme that it runs at. `rate_ops_per_s` is operations over predicted time."""

    node: str
    op: str
    segment: str
    engine: str
    scheme: str
    reason: str
    macs: int
    operations: int
    traffic_bytes: int
    intensity: float | None
    bound: Bound
    time_s: float
    time_share: float
    rate_ops_per_s: float | None
    sqnr_db: float | None
    equal: bool


@dataclass(frozen=True)
class RoofLine:
    """A roof as three points (intensity, operations per second): left end, ridge, right end."""

    engine: str
    scheme: str
    source: str
    count: int
    """How many engines of this kind the chip has; the roof is that of one."""
    peak_ops_per_s: float
    bandwidth_bytes_per_s: float
    points: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class HotNode:
    """A place in the ranking by time: `index` into the nodes, and the share of it and all before."""

    index: int
    cumulative_share: float


@dataclass(frozen=True)
class OpTotal:
    """All nodes of one operator together."""

    op: str
    nodes: int
    macs: int
    time_s: float
    time_share: float


@dataclass(frozen=True)
class Fallback:
    """Nodes of one operator that do not run on the chip's main engine."""

    op: str
    engine: str
    nodes: int
    time_s: float
    time_share: float
    reason: str
