"""A part of a graph as a graph of its own, without touching an ONNX file."""

from __future__ import annotations

from collections.abc import Collection

from deploykit.artifacts.graph import GraphInfo, reads


def subgraph(graph: GraphInfo, positions: Collection[int], *, name: str) -> GraphInfo:
    """Give the nodes at these positions with the tensors that they touch.

    Inputs are what they read and do not write, weights aside: first the graph's own in its order, then the
    others in the order in which they are made. Outputs are what the graph gives or another node reads.
    """
    inside = [node for at, node in enumerate(graph.nodes) if at in positions]
    outside = [node for at, node in enumerate(graph.nodes) if at not in positions]
    made = {output for node in inside for output in node.outputs if output}
    read = dict.fromkeys(tensor for node in inside for tensor in reads(node))
    weights = {tensor.name for tensor in graph.tensors if tensor.is_weight}
    outer = {tensor for tensor in read if tensor not in made and tensor not in weights}
    own = [tensor for tensor in graph.inputs if tensor in outer]
    inputs = (*own, *(name for node in outside for name in node.outputs if name in outer))
    elsewhere = {tensor for node in outside for tensor in reads(node)}
    outputs = [tensor for tensor in graph.outputs if tensor in made]
    outputs += [
        tensor
        for node in inside
        for tensor in node.outputs
        if tensor in elsewhere and tensor not in graph.outputs
    ]
    touched = made | set(read)
    return GraphInfo(
        name=name,
        opset=graph.opset,
        inputs=inputs,
        outputs=tuple(outputs),
        tensors=tuple(tensor for tensor in graph.tensors if tensor.name in touched),
        nodes=tuple(inside),
    )
