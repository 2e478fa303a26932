"""What a network asks of a chip, layer by layer, without its graph: enough to predict its latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

LayerKind: TypeAlias = Literal[
    "stem",
    "conv",
    "pointwise",
    "depthwise",
    "grouped",
    "deconv",
    "fully_connected",
    "matmul",
    "elementwise",
    "pool",
    "upsample",
    "softmax",
    "normalisation",
    "activation",
    "move",
]
"""Kinds by shape: `stem` is a convolution of an image's few channels, `pointwise` a 1x1 convolution or a
product of many rows with a weight, `fully_connected` one of a single row a sample, `matmul` a product of
two activations, `pool` all that takes many elements to few."""


@dataclass(frozen=True)
class LayerRow:
    """One layer: an operation with all that is fused into it, which occurs `count` times.

    Figures are those of one occurrence, at the table's batch. Elements are off-chip: what stays between
    fused operations is not among them, the second operand of a residual addition is a read.
    `weight_elements` has the biases too. `special_ops` are those of the vector operations that take a
    table or several cycles (exp, tanh ...).
    """

    kind: LayerKind
    macs: int
    vector_ops: int
    read_elements: int
    weight_elements: int
    write_elements: int
    count: int = 1
    special_ops: int = 0


@dataclass(frozen=True)
class NetworkTable:
    """A network's layers; `source` says where the network comes from.

    `input_shape` is the first input's, batch included. `parameters` counts each weight once, however
    often it is read. Rows stand in the order of their first occurrence.
    """

    name: str
    source: str
    input_shape: tuple[int, ...]
    batch: int
    parameters: int
    rows: tuple[LayerRow, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole network."""
        return sum(row.macs * row.count for row in self.rows)

    @property
    def layers(self) -> int:
        """How many layers run one after the other."""
        return sum(row.count for row in self.rows)
