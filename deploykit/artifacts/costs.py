"""What a network costs on a chip, node by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Bound: TypeAlias = Literal["compute", "memory", "overhead"]


@dataclass(frozen=True)
class SchemeCost:
    """One node at one precision scheme on one engine.

    Bytes are off-chip traffic. `intensity` is operations (2 x MACs + vector operations) per byte of it;
    `time_s` = max(compute time, traffic / bandwidth) + overhead.
    """

    scheme: str
    weight_bytes: int
    activation_read_bytes: int
    activation_write_bytes: int
    intensity: float
    bound: Bound
    time_s: float


@dataclass(frozen=True)
class NodeCost:
    """One node: hardware-free work, then its cost at each scheme that its engine offers (never empty)."""

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
class CostReport:
    """Costs of one network on one chip, in execution order; whole-network figures are sums over the nodes."""

    network: str
    chip: str
    nodes: tuple[NodeCost, ...]
    roofs: tuple[Roof, ...]
    notices: tuple[str, ...] = ()
