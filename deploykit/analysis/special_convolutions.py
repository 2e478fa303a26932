"""Convolutions that toolchains often refuse or run slowly, a rule each; its docstring is the sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deploykit.artifacts.graph import GraphInfo, NodeInfo

CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "ConvTranspose", "DeformConv", "QLinearConv"})

Rule = Callable[[NodeInfo, GraphInfo], bool]


def special_convolutions(graph: GraphInfo) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give (sentence, node ids) for each rule that finds something, in the rules' order."""
    nodes = [node for node in graph.nodes if node.op in CONVOLUTIONS and node.domain in ("", "ai.onnx")]
    for rule in RULES:
        found = tuple(node.id for node in nodes if rule(node, graph))
        if found:
            yield (rule.__doc__ or "").rstrip("."), found


def deformable(node: NodeInfo, graph: GraphInfo) -> bool:
    """deformable convolution"""
    return node.op == "DeformConv"


def not_two_dimensional(node: NodeInfo, graph: GraphInfo) -> bool:
    """convolution over one or three axes"""
    info = graph.tensor.get(_weight(node))
    return info is not None and info.shape is not None and len(info.shape) != 4


def computed_weights(node: NodeInfo, graph: GraphInfo) -> bool:
    """weights that are computed at run time"""
    name = _weight(node)
    seen: set[str] = set()
    waiting = [name] if name else []
    while waiting:
        tensor = waiting.pop()
        info = graph.tensor.get(tensor)
        if tensor in seen or (info is not None and info.is_weight):
            continue
        seen.add(tensor)
        producer = graph.producer.get(tensor)
        if producer is None:
            return True
        waiting.extend(read for read in producer.inputs if read)
    return False


def grouped_transpose(node: NodeInfo, graph: GraphInfo) -> bool:
    """transposed convolution in groups"""
    return node.op == "ConvTranspose" and node.attribute("group", 1) != 1


def dilated_transpose(node: NodeInfo, graph: GraphInfo) -> bool:
    """transposed convolution with dilation or output padding"""
    if node.op != "ConvTranspose":
        return False
    return any(size != 1 for size in _sizes(node, "dilations")) or any(_sizes(node, "output_padding"))


def dilated(node: NodeInfo, graph: GraphInfo) -> bool:
    """dilated convolution"""
    return node.op not in ("ConvTranspose", "DeformConv") and any(
        size != 1 for size in _sizes(node, "dilations")
    )


def _weight(node: NodeInfo) -> str:
    at = 3 if node.op == "QLinearConv" else 1
    return node.inputs[at] if len(node.inputs) > at else ""


def _sizes(node: NodeInfo, attribute: str) -> tuple[int, ...]:
    value = node.attribute(attribute, ())
    return tuple(int(size) for size in value) if isinstance(value, tuple) else ()


RULES: tuple[Rule, ...] = (
    deformable,
    not_two_dimensional,
    computed_weights,
    grouped_transpose,
    dilated_transpose,
    dilated,
)
