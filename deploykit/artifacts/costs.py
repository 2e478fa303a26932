"""What a network costs on a chip, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Bound: TypeAlias = Literal["compute", "memory", "overhead"]


@dataclass(frozen=True)
class SchemeCost:
    """One node at one precision scheme on one engine.

    Bytes are off-chip traffic. `intensity` is operations (2 x MACs + vector operations) per byte of it;
    `time_s` = max(compute time, traffic / bandwidth) + overhead. Where the profile has rates fitted to
    measured networks, `time_s` comes from them, and `spec_time_s` holds what the roofline says.
    """

    scheme: str
    weight_bytes: int
    activation_read_bytes: int
    activation_write_bytes: int
    intensity: float
    bound: Bound
    time_s: float
    spec_time_s: float | None = None

    @property
    def roofline_s(self) -> float:
        """The time by the roofline of the data sheet."""
        return self.time_s if self.spec_time_s is None else self.spec_time_s

    @property
    def traffic_bytes(self) -> int:
        """All off-chip bytes."""
        return self.weight_bytes + self.activation_read_bytes + self.activation_write_bytes


@dataclass(frozen=True)
class NodeCost:
    """One node: hardware-free work, then its cost at each scheme that its engine offers (never empty).

    `kind` is the kind of the layer that the node leads on a calibrated engine, else "".
    """

    node: str
    op: str
    segment: str
    engine: str
    macs: int
    vector_ops: int
    weight_elements: int
    activation_read_elements: int
    activation_write_elements: int
    schemes: tuple[SchemeCost, ...]
    kind: str = ""

    def at(self, scheme: str) -> SchemeCost:
        """Give the cost at `scheme`, or at the engine's first scheme where it does not offer that one."""
        return next((cost for cost in self.schemes if cost.scheme == scheme), self.schemes[0])


@dataclass(frozen=True)
class Roof:
    """One engine at one scheme: its line in the roofline picture. `ridge` = peak / bandwidth."""

    engine: str
    scheme: str
    peak_ops_per_s: float
    bandwidth_bytes_per_s: float
    ridge_ops_per_byte: float
    source: str


@dataclass(frozen=True)
class TimeInterval:
    """Where the whole network's time may lie: the predicted time x `low_factor` to x `high_factor`.

    `reasons` are sentences: what is not known, its range, what to do.
    """

    low_factor: float
    high_factor: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SegmentTotal:
    """Sums over one segment's nodes, each at its own scheme.

    `engine` and `bound` are those of most of the time. `weight_bytes` are read per run (a weight that two
    nodes read counts twice); `traffic_bytes` has all off-chip bytes, weights included.
    """

    segment: str
    engine: str
    macs: int
    weight_bytes: int
    traffic_bytes: int
    time_s: float
    bound: Bound


@dataclass(frozen=True)
class CostReport:
    """Costs of one network on one chip, in execution order; whole-network figures are sums over the nodes.

    `interval` says how far off the time may be: 90 % of networks lie in it where the times come from
    measured ones, and blanks of the profile widen it; None where the time is the roofline's of a profile
    without blanks.
    """

    network: str
    chip: str
    nodes: tuple[NodeCost, ...]
    roofs: tuple[Roof, ...]
    notices: tuple[str, ...] = ()
    interval: TimeInterval | None = None

    def segment_totals(self, schemes: Mapping[str, str]) -> tuple[SegmentTotal, ...]:
        """Sum up each segment, in execution order, with every node at its scheme.

        `schemes` is by node id; where it has none, or the node's engine does not offer it, the engine's
        first counts.
        """
        by_segment: dict[str, list[tuple[NodeCost, SchemeCost]]] = {}
        for node in self.nodes:
            by_segment.setdefault(node.segment, []).append((node, node.at(schemes.get(node.node, ""))))
        return tuple(_total(segment, costs) for segment, costs in by_segment.items())


def _total(segment: str, costs: list[tuple[NodeCost, SchemeCost]]) -> SegmentTotal:
    engine_s: dict[str, float] = {}
    bound_s: dict[Bound, float] = {}
    for node, cost in costs:
        engine_s[node.engine] = engine_s.get(node.engine, 0.0) + cost.time_s
        bound_s[cost.bound] = bound_s.get(cost.bound, 0.0) + cost.time_s
    return SegmentTotal(
        segment,
        max(engine_s, key=lambda name: engine_s[name]),
        sum(node.macs for node, _ in costs),
        sum(cost.weight_bytes for _, cost in costs),
        sum(cost.traffic_bytes for _, cost in costs),
        sum(cost.time_s for _, cost in costs),
        max(bound_s, key=lambda bound: bound_s[bound]),
    )
