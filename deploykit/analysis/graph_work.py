"""The work of all nodes of a graph, subgraphs included, with everything that prevents it said at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from deploykit.analysis.op_costs import CONTROL_COSTS, OP_COSTS, Tensors, Work, operator_key
from deploykit.analysis.op_costs.control import UnknownTripCount
from deploykit.analysis.op_costs.work import UnknownOption, UnknownSize, known_size, layer, total
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo, reads
from deploykit.core.errors import Fault, InputError

Accounting: TypeAlias = Literal["clean", "textbook"]


@dataclass(frozen=True)
class CustomCost:
    """What the user says that an operator costs per run; its tensors are read and written once, whole."""

    macs: int = 0
    vector_ops: int = 0


@dataclass(frozen=True)
class WorkSettings:
    """What the user adds: costs of operators ("domain:Op" or a node id), trip counts of loops by node id."""

    custom_costs: Mapping[str, CustomCost] = field(default_factory=dict)
    trip_counts: Mapping[str, int] = field(default_factory=dict)
    accounting: Accounting = "clean"


def operator_name(node: NodeInfo) -> str:
    """Give an operator's name for people and profiles: "Conv", "com.example:Voxelize"."""
    domain, op = operator_key(node.domain, node.op)
    return f"{domain}:{op}" if domain else op


def all_nodes(graph: GraphInfo) -> Iterator[NodeInfo]:
    """Give the nodes of a graph and of the graphs inside them."""
    for node in graph.nodes:
        yield from with_inner(node)


def with_inner(node: NodeInfo) -> Iterator[NodeInfo]:
    """Give a node and those of the graphs inside it."""
    yield node
    for _, graph in node.subgraphs:
        yield from all_nodes(graph)


def graph_works(graph: GraphInfo, *, settings: WorkSettings | None = None) -> tuple[Work, ...]:
    """Give the work of each node, in the graph's order.

    Raises:
        InputError: operators without a cost, tensors of unknown size, loops of unknown length, all at once.
    """
    walk = _Walk(settings or WorkSettings())
    works = walk.graph(graph, {})
    if walk.faults:
        raise InputError(*dict.fromkeys(walk.faults))
    if walk.settings.accounting == "textbook":
        return tuple(textbook(work) for work in works)
    return works


def branch_works(
    graph: GraphInfo, *, settings: WorkSettings | None = None
) -> dict[str, tuple[tuple[str, Work], ...]]:
    """Give the work of each branch of every If, by node id, also of those inside other nodes.

    Branches with a fault count as no work; `graph_works` reports the fault.
    """
    if not any(node.op == "If" for node in all_nodes(graph)):
        return {}
    walk = _Walk(settings or WorkSettings())
    walk.graph(graph, {})
    return walk.branches


def textbook(work: Work) -> Work:
    """Count a layer by the simple formula of the roofline literature; layers without MACs count nothing.

    MACs = outputs x (inputs under the kernel + 1 for the bias), bytes = parameters plus outputs.
    """
    if not work.macs:
        return Work()
    parameters = tuple(access for access in work.reads if access.role != "activation")
    bias = work.write_elements if parameters else 0
    return Work(work.macs + bias, reads=parameters, writes=work.writes)


class _Walk:
    """Walks over nested graphs and collects faults; a node with a fault counts as no work meanwhile."""

    def __init__(self, settings: WorkSettings) -> None:
        self.faults: list[Fault] = []
        self.branches: dict[str, tuple[tuple[str, Work], ...]] = {}
        self.settings = settings

    def node(self, node: NodeInfo, tensors: Tensors) -> Work:
        try:
            return self._work(node, tensors)
        except UnknownSize as error:
            names = _unknown_sizes(node, tensors) or (error.tensor,)
            what = (
                f"{operator_name(node)} needs the size of {', '.join(map(repr, names))}, which is not known"
            )
            self.faults.append(Fault(node.id, what, "bind the symbolic dims in the pipeline (shapes:)"))
        except UnknownOption as error:
            what = f"no cost is known for {operator_name(node)} with {error.name} {error.value!r}"
            fix = f"say what it costs under analyze.custom_costs, as {node.id!r}"
            self.faults.append(Fault(node.id, what, fix))
        except UnknownTripCount:
            what = f"nobody knows how often {operator_name(node)} runs its body"
            self.faults.append(Fault(node.id, what, "give a bound under analyze.trip_counts"))
        return Work()

    def graph(self, graph: GraphInfo, around: Tensors) -> tuple[Work, ...]:
        tensors = {**around, **graph.tensor}
        works = []
        for node in graph.nodes:
            if is_constant(node, tensors):
                works.append(Work())
                tensors |= {name: _as_weight(name, tensors) for name in node.outputs if name}
            else:
                works.append(self.node(node, tensors))
        return tuple(works)

    def body(self, graph: GraphInfo, around: Tensors) -> Work:
        return total(self.graph(graph, around))

    def _work(self, node: NodeInfo, tensors: Tensors) -> Work:
        key = operator_key(node.domain, node.op)
        custom = self.settings.custom_costs.get(node.id) or self.settings.custom_costs.get(
            operator_name(node)
        )
        if custom:
            return layer(node, tensors, macs=custom.macs, simple=custom.vector_ops)
        if key in CONTROL_COSTS:
            return self._control(node, tensors)
        if key in OP_COSTS:
            return OP_COSTS[key](node, tensors)
        fix = f"say what it costs under analyze.custom_costs, as {operator_name(node)!r} or {node.id!r}"
        self.faults.append(Fault(node.id, f"no cost is known for operator {operator_name(node)}", fix))
        return Work()

    def _control(self, node: NodeInfo, tensors: Tensors) -> Work:
        bodies: list[Work] = []

        def body(graph: GraphInfo, around: Tensors) -> Work:
            bodies.append(self.body(graph, around))
            return bodies[-1]

        trips = self.settings.trip_counts.get(node.id)
        work = CONTROL_COSTS[operator_key(node.domain, node.op)](node, tensors, body, trips)
        if node.op == "If":
            names = (name for name, _ in node.subgraphs)
            self.branches[node.id] = tuple(zip(names, bodies, strict=True))
        return work


def is_constant(node: NodeInfo, tensors: Tensors) -> bool:
    """Say whether a node computes from weights alone; compilers do that beforehand, the result is a weight.

    So the DequantizeLinear of an int8 weight costs nothing at run time, and what it gives counts as a weight.
    """
    given = [name for name in node.inputs if name]
    known = all(name in tensors and tensors[name].is_weight for name in given)
    return bool(given) and known and not node.subgraphs and not node.op.startswith("Random")


def _as_weight(name: str, tensors: Tensors) -> TensorInfo:
    info = tensors.get(name, TensorInfo(name, "undefined", None))
    return replace(info, is_weight=True)


def _unknown_sizes(node: NodeInfo, tensors: Tensors) -> tuple[str, ...]:
    names = dict.fromkeys((*reads(node), *(name for name in node.outputs if name)))
    return tuple(name for name in names if known_size(tensors.get(name)) is None)
