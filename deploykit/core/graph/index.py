"""Who writes and who reads what in a protobuf graph, with subgraphs and what they capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from onnx import AttributeProto, GraphProto, NodeProto


def subgraphs(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """Give the bodies of an If, Loop or Scan with the attribute that holds each."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.name, attribute.g
        for number, graph in enumerate(attribute.graphs):
            yield f"{attribute.name}{number}", graph


def all_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Give a graph, then all graphs inside it, from the outside in."""
    yield graph
    for node in graph.node:
        for _, inner in subgraphs(node):
            yield from all_graphs(inner)


def defined(graph: GraphProto) -> set[str]:
    """Give the names that a graph itself defines."""
    names = {value.name for value in graph.input}
    names.update(tensor.name for tensor in graph.initializer)
    names.update(tensor.values.name for tensor in graph.sparse_initializer)
    names.update(name for node in graph.node for name in node.output if name)
    return names


def captured(graph: GraphProto) -> tuple[str, ...]:
    """Give what a subgraph reads of the graphs around it, in the order of its nodes."""
    read = [name for node in graph.node for name in node_reads(node)]
    read += [value.name for value in graph.output]
    own = defined(graph)
    return tuple(dict.fromkeys(name for name in read if name not in own))


def node_reads(node: NodeProto) -> tuple[str, ...]:
    """Give all that a node reads of its graph: its inputs, then what its subgraphs capture."""
    names = dict.fromkeys(name for name in node.input if name)
    for _, graph in subgraphs(node):
        names.update(dict.fromkeys(captured(graph)))
    return tuple(names)


def node_id(node: NodeProto, owner: str = "") -> str:
    """Give a node's stable id: its first output's name; inside a subgraph after the id of the node around it.

    Tensor names survive every stage, so this one does too; the nodes' own names may be empty or repeated.
    """
    own = next((name for name in node.output if name), "") or node.name or node.op_type
    return f"{owner}/{own}" if owner else own


def describe(node: NodeProto) -> str:
    """Name a node for people: its name where it has one, what it does, what it writes."""
    name = f" {node.name!r}" if node.name else ""
    return f"{node.op_type}{name} (writes {node_id(node)!r})"


@dataclass(frozen=True)
class GraphIndex:
    """The nodes of one graph by position, with their reads computed once."""

    graph: GraphProto

    @cached_property
    def reads(self) -> tuple[tuple[str, ...], ...]:
        """What each node reads."""
        return tuple(node_reads(node) for node in self.graph.node)

    @cached_property
    def producer(self) -> dict[str, int]:
        """The position of the node that writes each tensor."""
        return {name: at for at, node in enumerate(self.graph.node) for name in node.output if name}

    @cached_property
    def consumers(self) -> dict[str, tuple[int, ...]]:
        """The positions of the nodes that read each tensor."""
        found: dict[str, list[int]] = {}
        for at, names in enumerate(self.reads):
            for name in names:
                found.setdefault(name, []).append(at)
        return {name: tuple(positions) for name, positions in found.items()}

    @cached_property
    def before(self) -> tuple[tuple[int, ...], ...]:
        """The positions of the nodes that each node directly depends on."""
        return tuple(
            tuple(dict.fromkeys(self.producer[name] for name in names if name in self.producer))
            for names in self.reads
        )

    def ancestors(self, positions: Iterable[int]) -> set[int]:
        """Give all nodes that these depend on, and themselves."""
        found: set[int] = set()
        waiting = list(positions)
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting.extend(self.before[at])
        return found

    @cached_property
    def weights(self) -> frozenset[str]:
        """Names of the initializers."""
        names = [tensor.name for tensor in self.graph.initializer]
        return frozenset(names + [tensor.values.name for tensor in self.graph.sparse_initializer])
