"""Networks with operators that nobody but the user can run: the rest of them can still be run and proved."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import NodeProto, ValueInfoProto

from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.index import GraphIndex, all_graphs, describe, node_reads, subgraphs
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.operators import is_foreign
from deploykit.core.graph.shapes import value_infos


@dataclass(frozen=True)
class Holes:
    """A model without its foreign nodes: what they wrote are inputs now (`made`), what they read outputs
    (`read`)."""

    model: OnnxModel
    made: tuple[str, ...]
    read: tuple[str, ...]


def node_is_foreign(node: NodeProto) -> bool:
    """Say whether a node, or one in its subgraphs, is of no known operator."""
    inner = (other for _, graph in subgraphs(node) for each in all_graphs(graph) for other in each.node)
    return any(is_foreign(other.op_type, other.domain) for other in (node, *inner))


def cut_foreign(model: OnnxModel) -> Holes | None:
    """Give the model with holes where its foreign nodes were, or None where it has none."""
    graph = model.proto.graph
    foreign = [node for node in graph.node if node_is_foreign(node)]
    if not foreign:
        return None
    known, weights = value_infos(model.proto), GraphIndex(graph).weights
    made = tuple(name for node in foreign for name in node.output if name)
    outputs = [value for value in graph.output if value.name not in made]
    inputs = {value.name for value in graph.input}
    read = dict.fromkeys(name for node in foreign for name in node_reads(node) if name not in weights)
    shown = {value.name for value in outputs} | inputs | set(made)
    extra = tuple(name for name in read if name not in shown)
    result = model.copy()
    kept = [node for node in result.proto.graph.node if not node_is_foreign(node)]
    result.proto.graph.ClearField("node")
    result.proto.graph.node.extend(kept)
    result.proto.graph.input.extend(known.get(name, ValueInfoProto(name=name)) for name in made)
    result.proto.graph.ClearField("output")
    result.proto.graph.output.extend(
        [*outputs, *(known.get(name, ValueInfoProto(name=name)) for name in extra)]
    )
    return Holes(result, made, extra)


def check_foreign(model: OnnxModel) -> None:
    """Raise InputError for each foreign operator whose output's type nobody gives: nothing after it could
    load."""
    known = value_infos(model.proto)
    faults = [
        Fault(
            f"node {describe(node)}",
            f"{node.op_type} of domain {node.domain or 'ai.onnx'!r} is no operator of ONNX, and the type of "
            f"its output {name!r} is not given",
            "add the output's type and shape to the graph's value_info when you export",
        )
        for node in model.proto.graph.node
        if node_is_foreign(node)
        for name in node.output
        if name and (name not in known or not known[name].type.tensor_type.elem_type)
    ]
    if faults:
        raise InputError(*faults)
