"""What is valid ONNX and yet means different things on different machines."""

from __future__ import annotations

import numpy
from onnx import GraphProto, NodeProto

from deploykit.core.graph.index import all_graphs, describe
from deploykit.core.graph.model import OnnxModel


def hazards(model: OnnxModel) -> list[str]:
    """Give one sentence for each node whose result the standard leaves open."""
    return [
        sentence
        for graph in all_graphs(model.proto.graph)
        for node in graph.node
        if (sentence := _duplicate_writes(model, graph, node))
    ]


def _duplicate_writes(model: OnnxModel, graph: GraphProto, node: NodeProto) -> str:
    """A scatter without reduction writes some element twice: which value stays is undefined."""
    if node.op_type not in ("ScatterND", "ScatterElements", "Scatter") or len(node.input) < 3:
        return ""
    reduction = next((attribute.s for attribute in node.attribute if attribute.name == "reduction"), b"none")
    tensor = next((tensor for tensor in graph.initializer if tensor.name == node.input[1]), None)
    if reduction not in (b"", b"none") or tensor is None:
        return ""
    indices = model.array(tensor)
    if node.op_type == "ScatterND":
        rows = indices.reshape(-1, indices.shape[-1])
    else:
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        grid = numpy.indices(indices.shape)
        grid[axis] = indices
        rows = grid.reshape(indices.ndim, -1).T
    unique, counts = numpy.unique(rows, axis=0, return_counts=True)
    if not (counts > 1).any():
        return ""
    repeated = tuple(int(value) for value in unique[counts > 1][0])
    return (
        f"{describe(node)} writes to index {repeated} {int(counts[counts > 1][0])} times without a "
        "reduction: the result is undefined, and a chip may differ from the host; use reduction='add' or "
        "distinct indices"
    )
