"""A whole network over the joints of its segments: who writes and who reads each tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo, reads
from deploykit.artifacts.model import Partition


@dataclass(frozen=True)
class NetworkFlow:
    """The nodes of all segments in execution order; those of subgraphs belong to the node around them."""

    partition: Partition

    @cached_property
    def nodes(self) -> tuple[NodeInfo, ...]:
        """Top-level nodes in execution order."""
        return tuple(node for segment in self.partition.segments for node in segment.graph.nodes)

    @cached_property
    def segment_of(self) -> dict[str, str]:
        """The segment of each node, also inside subgraphs; the first where several round a tensor."""
        found: dict[str, str] = {}
        for segment in self.partition.segments:
            for node in all_nodes(segment.graph):
                found.setdefault(node.id, segment.name)
        return found

    @cached_property
    def producer(self) -> dict[str, NodeInfo]:
        """The node that writes each tensor; what enters the network has none.

        A quantized network rounds a crossing tensor on both sides of the joint, to the same codes under the
        same name: the side that makes it counts.
        """
        found: dict[str, NodeInfo] = {}
        for node in self.nodes:
            for name in node.outputs:
                if name:
                    found.setdefault(name, node)
        return found

    @cached_property
    def readers(self) -> dict[str, tuple[NodeInfo, ...]]:
        """The top-level nodes that read each tensor in any segment, also through a subgraph."""
        found: dict[str, list[NodeInfo]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def activations(self) -> tuple[str, ...]:
        """What moves between nodes, in execution order: the network's inputs, then each node's outputs."""
        made = (name for node in self.nodes for name in node.outputs if name)
        return tuple(dict.fromkeys((*self.partition.inputs, *made)))

    @cached_property
    def state_output(self) -> dict[str, str]:
        """For each state input the output that it is in the next frame."""
        return {pair.input: pair.output for pair in self.partition.state}

    def tensor(self, name: str) -> TensorInfo:
        """Give what is known of a tensor; one that no segment lists is an unknown float."""
        return self.partition.tensor.get(name) or TensorInfo(name, "float", None)

    def is_weight(self, name: str) -> bool:
        """Say whether a tensor is an initializer."""
        return self.tensor(name).is_weight

    def float_inputs(self, node: NodeInfo) -> tuple[str, ...]:
        """Give the float activations that a node reads."""
        return tuple(name for name in reads(node) if self.is_float_activation(name))

    def is_float_activation(self, name: str) -> bool:
        """Say whether a tensor holds real numbers that are computed at run time."""
        info = self.tensor(name)
        return info.dtype == "float" and not info.is_weight


def all_nodes(graph: GraphInfo) -> Iterator[NodeInfo]:
    """Give the nodes of a graph in execution order, each followed by those of its subgraphs."""
    for node in graph.nodes:
        yield node
        for _, inner in node.subgraphs:
            yield from all_nodes(inner)
