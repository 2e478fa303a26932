"""When each tensor of a graph holds a value that somebody still needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploykit.analysis.node_order import beside
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads


@dataclass(frozen=True)
class LiveRange:
    """The half-open step interval [first, end) of a tensor's life; steps are node indices."""

    first: int
    end: int

    def join(self, other: LiveRange) -> LiveRange:
        """Give the shortest range that covers both."""
        return LiveRange(min(self.first, other.first), max(self.end, other.end))


def live_ranges(graph: GraphInfo, *, parallel: bool = False) -> dict[str, LiveRange]:
    """Give the live range of each tensor that the graph reads or writes; weights have none.

    A tensor lives from the node that writes it to the end of the last node that reads it, also through a
    subgraph; one that nobody reads lives to the end of its own node. Graph inputs live from the start,
    outputs to the end. `parallel`: nodes that don't wait for each other may run at once, so that a range also
    covers all that may run beside a node that uses the tensor.
    """
    last = last_reads(graph)
    count = len(graph.nodes)
    reach = beside(graph) if parallel else [(step, step + 1) for step in range(count)]
    found = {name: LiveRange(0, reach[last[name]][1] if name in last else 1) for name in graph.inputs}
    for step, node in enumerate(graph.nodes):
        for name in filter(None, node.outputs):
            found[name] = LiveRange(reach[step][0], reach[last.get(name, step)][1])
    if parallel:
        for step, node in enumerate(graph.nodes):
            for name in (name for name in reads(node) if name in found):
                found[name] = found[name].join(LiveRange(*reach[step]))
    for name in graph.outputs:
        if name in found:  # an output may also be a weight
            found[name] = LiveRange(found[name].first, max(count, 1))
    return found


def last_reads(graph: GraphInfo) -> dict[str, int]:
    """Give the step of the last node that reads each tensor, also through a subgraph."""
    return {name: step for step, node in enumerate(graph.nodes) for name in reads(node)}


def captured_tensors(graph: GraphInfo) -> frozenset[str]:
    """Give the tensors that some subgraph reads from outside."""
    return frozenset(name for node in graph.nodes for _, inner in node.subgraphs for name in inner.captured)


def inner_nodes(graph: GraphInfo) -> Iterator[NodeInfo]:
    """Give all nodes of the subgraphs, at any depth."""
    for node in graph.nodes:
        for _, inner in node.subgraphs:
            yield from inner.nodes
            yield from inner_nodes(inner)
