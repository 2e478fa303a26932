"""Which precision each node gets, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Scheme: TypeAlias = Literal["float32", "float16", "w8a8"]
"""Weight and activation bits of a node: `w8a8` is int8 weights and int8 activations."""


@dataclass(frozen=True)
class NodePrecision:
    """A node's scheme; `reason` is the sentence that the user reads."""

    node: str
    scheme: Scheme
    reason: str


@dataclass(frozen=True)
class TensorPrecision:
    """The type in which an activation is stored between nodes ("int8", "float16", "float", "int64" ...)."""

    tensor: str
    dtype: str


@dataclass(frozen=True)
class PrecisionPlan:
    """Schemes for all nodes and storage types for all activations of one network, in execution order."""

    network: str
    nodes: tuple[NodePrecision, ...]
    tensors: tuple[TensorPrecision, ...]
    notices: tuple[str, ...] = ()

    def scheme_of(self) -> dict[str, Scheme]:
        """Schemes by node id."""
        return {node.node: node.scheme for node in self.nodes}


@dataclass(frozen=True)
class TensorRange:
    """What calibration saw of one activation over all frames."""

    tensor: str
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Activation ranges of one network, and the data that they come from."""

    network: str
    frames: int
    source: str
    ranges: tuple[TensorRange, ...]
