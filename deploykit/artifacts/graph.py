"""What a pure stage may know of a network: its graph without the weights' values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Dim: TypeAlias = int | str | None
"""A size; a symbol such as "N"; or None where nothing is known."""

AttributeValue: TypeAlias = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class TensorInfo:
    """One value of a graph.

    `dtype` is ONNX's element type in lower case ("float", "int8", "int64" ...; see `core.dtypes`).
    `shape` is None where not even the rank is known. `upper_bound` gives the largest possible shape of a
    data-dependent tensor (NonZero, NonMaxSuppression). `constant` holds the value of a small integer or
    float initializer (at most 64 elements, row-major), such as the shape input of a Reshape.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...] | None
    is_weight: bool = False
    constant: tuple[int, ...] | tuple[float, ...] | None = None
    upper_bound: tuple[int, ...] | None = None


@dataclass(frozen=True)
class NodeInfo:
    """One operation. `id` is stable and unique in the model, also across subgraphs; "" is an absent input.

    `name` is the node's own name in the ONNX file, for people and for patterns; it is unique too, but may
    change.
    """

    id: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
    subgraphs: tuple[tuple[str, GraphInfo], ...] = ()
    name: str = ""

    def attribute(self, name: str, default: AttributeValue) -> AttributeValue:
        """Give an attribute's value, or `default` where the node does not set it."""
        return dict(self.attributes).get(name, default)


@dataclass(frozen=True)
class GraphInfo:
    """A graph in execution order: every node stands after those that it reads.

    Names in `inputs` and `outputs` are in the model's own order. A subgraph may read tensors of the graphs
    around it; these stand in `captured`, and their `TensorInfo` in the graph that makes them.
    """

    name: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: tuple[TensorInfo, ...]
    nodes: tuple[NodeInfo, ...]
    captured: tuple[str, ...] = ()

    @cached_property
    def tensor(self) -> dict[str, TensorInfo]:
        """Tensors by name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def producer(self) -> dict[str, NodeInfo]:
        """The node that writes each tensor; inputs and weights have none."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def consumers(self) -> dict[str, tuple[NodeInfo, ...]]:
        """The nodes that read each tensor, also through a subgraph, in execution order."""
        found: dict[str, list[NodeInfo]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}


def reads(node: NodeInfo) -> tuple[str, ...]:
    """Give all that a node reads of its graph: its inputs, then what its subgraphs capture."""
    captured = (name for _, graph in node.subgraphs for name in graph.captured)
    return tuple(name for name in (*node.inputs, *captured) if name)
