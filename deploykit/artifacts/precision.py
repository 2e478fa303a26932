"""Which precision each node gets, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Scheme: TypeAlias = Literal["float32", "float16", "w8a8", "w8a16", "w4a16", "w4a8"]
"""Weight and activation bits of a node: `w4a8` is int4 weights and int8 activations.

A node without learned weights computes on its activations alone: w4a8 is the same as w8a8 there.
"""

WEIGHT_BITS: dict[Scheme, int] = {
    "float32": 32,
    "float16": 16,
    "w8a8": 8,
    "w8a16": 8,
    "w4a16": 4,
    "w4a8": 4,
}
ACTIVATION_BITS: dict[Scheme, int] = {
    "float32": 32,
    "float16": 16,
    "w8a8": 8,
    "w8a16": 16,
    "w4a16": 16,
    "w4a8": 8,
}

Granularity: TypeAlias = Literal["tensor", "channel"] | int
"""How many weights share a scale: all, those of an output channel, or so many along the input channels."""

DEFAULT_BLOCK = 32


def is_integer(scheme: Scheme) -> bool:
    """Say whether a scheme computes on integers."""
    return not scheme.startswith("float")


def default_granularity(scheme: Scheme) -> Granularity:
    """Give the granularity of a scheme's weights where nobody asks for another."""
    return DEFAULT_BLOCK if WEIGHT_BITS[scheme] == 4 else "channel"


@dataclass(frozen=True)
class NodePrecision:
    """A node's scheme and how many weights share a scale; `reason` is the sentence that the user reads.

    `granularity` says nothing about a node in float or without weights; None is the scheme's default.
    """

    node: str
    scheme: Scheme
    reason: str
    granularity: Granularity | None = None


@dataclass(frozen=True)
class TensorPrecision:
    """The type in which an activation is stored between nodes ("int8", "int16", "float", "int64" ...)."""

    tensor: str
    dtype: str


@dataclass(frozen=True)
class TradeoffPoint:
    """One plan's predicted time, weights and error, and the schemes of the layers in order."""

    time_s: float
    weight_bytes: int
    error: float
    schemes: tuple[Scheme, ...]


@dataclass(frozen=True)
class Tradeoff:
    """What a plan under a budget was chosen from.

    `objective` and `lower_bound` are in seconds, bytes or error, as `minimise` says; no plan is below the
    bound. `front` are plans that none beats in both what is minimised and error (time, where error is
    minimised); `front_is_whole` says that there are no others. `measured_error` is the chosen plan's on the
    data; None where it was not measured.
    """

    minimise: Literal["time", "size", "error"]
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    objective: float
    lower_bound: float
    layers: tuple[str, ...]
    chosen: TradeoffPoint
    front: tuple[TradeoffPoint, ...]
    front_is_whole: bool
    measured_error: float | None = None


@dataclass(frozen=True)
class PrecisionPlan:
    """Schemes for all nodes and storage types for all activations of one network, in execution order.

    `fused` are tensors between a layer and what the chip computes on its way out: they never leave the chip.
    """

    network: str
    nodes: tuple[NodePrecision, ...]
    tensors: tuple[TensorPrecision, ...]
    notices: tuple[str, ...] = ()
    tradeoff: Tradeoff | None = None
    fused: tuple[str, ...] = ()

    def scheme_of(self) -> dict[str, Scheme]:
        """Schemes by node id."""
        return {node.node: node.scheme for node in self.nodes}

    def granularity_of(self) -> dict[str, Granularity]:
        """Granularities by node id."""
        return {node.node: node.granularity or default_granularity(node.scheme) for node in self.nodes}


@dataclass(frozen=True)
class TensorRange:
    """What calibration saw of one activation over all frames: the range to cover, and the extremes."""

    tensor: str
    low: float
    high: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Calibration:
    """Activation ranges of one network, and the data that they come from."""

    network: str
    frames: int
    source: str
    ranges: tuple[TensorRange, ...]


EQUALISED = "::equalised"
"""What the name of a tensor ends in whose channels have factors."""

HELPER_SUFFIXES = (
    "::float16",
    "::float32",
    "::float",
    "::codes",
    "::scale",
    "::zero_point",
    "::rounded",
    "::rounded16",
    EQUALISED,
    "::smoothed",
)
"""How the names of the tensors end that quantizing adds. Every tensor `t` of the float network keeps its
name:

    t             the value that its readers see: for an int8 tensor (codes - zero point) * scale
    t::float      what the operator gave, before it was rounded to codes
    t::codes      the integers that the chip stores
    t::rounded    the same as `t` of an int8 tensor, where `t` itself holds more: an input of the graph, or a
                  float or int16 tensor that a node on 8-bit activations reads
    t::rounded16  the same in 16 bits
    t::float16    the same as `t` for float16 nodes, which write their results as float16 `t` themselves, but
                  for outputs of the graph
    t::float32    the same as a float16 `t` for float32 nodes
    t::smoothed   `t` times a factor for each channel, as the layers read it whose weights take them back

    t::equalised  `t` with a factor for each channel, where `t` itself is gone; see `Partition.equalised`
"""


def network_name(tensor: str) -> str:
    """Give the float network's name of a tensor in a quantized one: the helper suffixes taken off."""
    for suffix in HELPER_SUFFIXES:
        tensor = tensor.removesuffix(suffix)
    return tensor
