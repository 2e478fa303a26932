"""One form for every model: the passes that change how a graph is written, never what it computes."""

from __future__ import annotations

import heapq

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from deploykit.core.graph.check import check_graph
from deploykit.core.graph.dims import name_free_dims
from deploykit.core.graph.index import GraphIndex, all_graphs, defined, describe, node_id, subgraphs
from deploykit.core.graph.ir_version import lowest_ir_version
from deploykit.core.graph.model import OnnxModel


def normalise(model: OnnxModel, *, freeze: bool = True) -> OnnxModel:
    """Give a copy in normal form, with a notice for each thing that a user may have meant otherwise.

    Afterwards: no local functions, no Constant nodes, no Identity of a weight; weights are not listed as
    inputs (unless `freeze` is off); every node stands after what it reads and has a name of its own; every
    size is positive or a symbol. Names, order and number of outputs stay. Raises InputError for graphs that
    no pass could work on.
    """
    result = model.copy()
    check_graph(result.proto, result.name)
    _inline_functions(result)
    for graph in all_graphs(result.proto.graph):
        constants_to_initializers(graph)
        own_outputs(graph)
    if freeze:
        _freeze(result)
    sorted_count = sum(sort_nodes(graph) for graph in reversed(list(all_graphs(result.proto.graph))))
    if sorted_count:
        result.notices.append(f"{sorted_count} nodes stood before what they read; the nodes were sorted")
    skip_weight_identities(result.proto.graph)
    _drop_unread(result)
    _name_nodes(result)
    name_free_dims(result)
    result.proto.ir_version = lowest_ir_version(result.proto)
    return result


def _inline_functions(model: OnnxModel) -> None:
    if not model.proto.functions:
        return
    import onnx.inliner

    names = ", ".join(sorted(function.name for function in model.proto.functions))
    model.proto = onnx.inliner.inline_local_functions(model.proto)
    model.notices.append(f"the model's own functions were written out in the graph: {names}")


def constants_to_initializers(graph: GraphProto) -> None:
    """Turn the Constant nodes of one graph into initializers of the same names."""
    kept = []
    for node in graph.node:
        tensor = _constant_tensor(node)
        if tensor is None:
            kept.append(node)
        else:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
    _replace_nodes(graph, kept)


def _constant_tensor(node: NodeProto) -> TensorProto | None:
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or len(node.attribute) != 1:
        return None
    attribute = node.attribute[0]
    made = TensorProto()
    match attribute.name:
        case "value" if attribute.type == AttributeProto.TENSOR:
            made.CopyFrom(attribute.t)
        case "value_float":
            made.CopyFrom(onnx.helper.make_tensor("", TensorProto.FLOAT, [], [attribute.f]))
        case "value_floats":
            made.CopyFrom(
                onnx.helper.make_tensor("", TensorProto.FLOAT, [len(attribute.floats)], attribute.floats)
            )
        case "value_int":
            made.CopyFrom(onnx.helper.make_tensor("", TensorProto.INT64, [], [attribute.i]))
        case "value_ints":
            made.CopyFrom(
                onnx.helper.make_tensor("", TensorProto.INT64, [len(attribute.ints)], attribute.ints)
            )
        case "value_string":
            made.CopyFrom(onnx.helper.make_tensor("", TensorProto.STRING, [], [attribute.s]))
        case "value_strings":
            made.CopyFrom(
                onnx.helper.make_tensor("", TensorProto.STRING, [len(attribute.strings)], attribute.strings)
            )
        case _:  # a sparse one stays a node
            return None
    return made


def own_outputs(graph: GraphProto) -> None:
    """Give a branch that returns a tensor of the graph around it an Identity: runtimes insist on one."""
    for node in graph.node:
        for _, inner in subgraphs(node):
            own = defined(inner)
            for value in inner.output:
                if value.name not in own:
                    outer, value.name = value.name, f"{node_id(node)}_{inner.name}_{value.name}"
                    inner.node.add(op_type="Identity", input=[outer], output=[value.name])
                    own.add(value.name)


def _freeze(model: OnnxModel) -> None:
    graph = model.proto.graph
    weights = GraphIndex(graph).weights
    frozen = [value.name for value in graph.input if value.name in weights]
    if not frozen:
        return
    kept = [value for value in graph.input if value.name not in weights]
    graph.ClearField("input")
    graph.input.extend(kept)
    shown = ", ".join(frozen[:5]) + (f" and {len(frozen) - 5} more" if len(frozen) > 5 else "")
    model.notices.append(f"weights that were listed as inputs are now fixed: {shown}")


def sort_nodes(graph: GraphProto) -> int:
    """Sort the nodes of one graph by dependency, stably; gives how many stood too early.

    What a subgraph reads from outside counts as read by the node that holds it.
    """
    index = GraphIndex(graph)
    early = [at for at, before in enumerate(index.before) if any(other > at for other in before)]
    if not early:
        return 0
    waiting = [len(before) for before in index.before]
    after: list[list[int]] = [[] for _ in waiting]
    for at, before in enumerate(index.before):
        for other in before:
            after[other].append(at)
    ready = [at for at, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        at = heapq.heappop(ready)
        order.append(at)
        for following in after[at]:
            waiting[following] -= 1
            if waiting[following] == 0:
                heapq.heappush(ready, following)
    _replace_nodes(graph, [graph.node[at] for at in order])
    return len(early)


def skip_weight_identities(graph: GraphProto, outer: dict[str, str] | None = None) -> None:
    """Let readers of an Identity of a weight read the weight itself (exporters merge equal weights that
    way)."""
    own = GraphIndex(graph).weights
    shadowed = own | {value.name for value in graph.input} | set(GraphIndex(graph).producer)
    renamed = {name: to for name, to in (outer or {}).items() if name not in shadowed}
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = renamed.get(name, name)
        plain = node.op_type == "Identity" and node.domain in ("", "ai.onnx") and len(node.input) == 1
        if (
            plain
            and node.output[0] not in outputs
            and (node.input[0] in own or node.input[0] in renamed.values())
        ):
            renamed[node.output[0]] = node.input[0]
            continue
        kept.append(node)
        for _, inner in subgraphs(node):
            skip_weight_identities(inner, renamed)
    if len(kept) < len(graph.node):
        _replace_nodes(graph, kept)


def _drop_unread(model: OnnxModel) -> None:
    """Leave out nodes that no output depends on: a segment of such would have no output at all."""
    graph = model.proto.graph
    index = GraphIndex(graph)
    needed = index.ancestors(
        index.producer[value.name] for value in graph.output if value.name in index.producer
    )
    unread = [node for at, node in enumerate(graph.node) if at not in needed]
    if unread:
        shown = ", ".join(describe(node) for node in unread[:3]) + (" ..." if len(unread) > 3 else "")
        model.notices.append(f"{len(unread)} nodes that no output depends on were left out: {shown}")
        _replace_nodes(graph, [node for at, node in enumerate(graph.node) if at in needed])


def _name_nodes(model: OnnxModel) -> None:
    """Name the unnamed, and rename what repeats a name: onnxruntime refuses two nodes of one name."""
    taken: set[str] = set()
    repeated = []
    for graph, owner in _owned_graphs(model.proto.graph, ""):
        for node in graph.node:
            identity = node_id(node, owner)
            if node.name and node.name not in taken:
                taken.add(node.name)
                continue
            if node.name:
                repeated.append(node.name)
            node.name = _free(identity, taken)
            taken.add(node.name)
    if repeated:
        names = ", ".join(dict.fromkeys(repeated))
        model.notices.append(
            f"several nodes share a name ({names}); the later ones are now named after their outputs"
        )


def _owned_graphs(graph: GraphProto, owner: str) -> list[tuple[GraphProto, str]]:
    found = [(graph, owner)]
    for node in graph.node:
        for attribute, inner in subgraphs(node):
            found += _owned_graphs(inner, f"{node_id(node, owner)}/{attribute}")
    return found


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}~{number}", number + 1
    return candidate


def _replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    graph.ClearField("node")
    graph.node.extend(copies)
