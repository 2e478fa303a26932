"""Operators that only move elements, and those that move nothing."""

from __future__ import annotations

from deploykit.analysis.op_costs.work import (
    Tensors,
    UnknownSize,
    Work,
    given,
    known_size,
    layer,
    read,
    size,
    text,
)
from deploykit.artifacts.graph import NodeInfo


def view(node: NodeInfo, tensors: Tensors) -> Work:
    """Reshape, Squeeze, Identity, Shape ...: another name or shape for the same bytes; nothing moves."""
    del node, tensors
    return Work()


def copy(node: NodeInfo, tensors: Tensors) -> Work:
    """Transpose, Concat, Pad, Tile ...: every input element is read, every output element written."""
    return layer(node, tensors)


def pick(node: NodeInfo, tensors: Tensors) -> Work:
    """Slice, Gather ...: of the first input, only as many elements are read as come out."""
    source = node.inputs[0]
    return layer(node, tensors, partly={source: min(size(tensors, source), size(tensors, node.outputs[0]))})


def compress(node: NodeInfo, tensors: Tensors) -> Work:
    """Compress, NonZero: every element is tested, the chosen ones are written."""
    return layer(node, tensors, simple=size(tensors, node.inputs[-1]))


def fill(node: NodeInfo, tensors: Tensors) -> Work:
    """ConstantOfShape, Range, EyeLike: elements are written, none is read."""
    return layer(node, tensors, partly={name: 0 for name in node.inputs if name})


def random(node: NodeInfo, tensors: Tensors) -> Work:
    """RandomNormal, RandomUniform ...: one draw per element, nothing is read."""
    drawn = size(tensors, node.outputs[0])
    return layer(node, tensors, special=drawn, partly={name: 0 for name in node.inputs if name})


def scatter(node: NodeInfo, tensors: Tensors) -> Work:
    """ScatterND, ScatterElements: data is copied, updates written over it, with one operation if reduced."""
    updates = size(tensors, node.inputs[2])
    combine = updates if text(node, "reduction", "none") != "none" else 0
    return layer(node, tensors, simple=combine)


def tensor_scatter(node: NodeInfo, tensors: Tensors) -> Work:
    """TensorScatter: the update is written into a cache, whose other elements stay where they are."""
    return layer(
        node,
        tensors,
        partly={node.inputs[0]: 0, node.outputs[0]: size(tensors, node.inputs[1])},
    )


def one_hot(node: NodeInfo, tensors: Tensors) -> Work:
    """OneHot: every output element is one comparison with its index."""
    return layer(node, tensors, simple=size(tensors, node.outputs[0]))


def unpool(node: NodeInfo, tensors: Tensors) -> Work:
    """MaxUnpool: every element moves to its place, all others are written as zero."""
    return layer(node, tensors)


def join_sequence(node: NodeInfo, tensors: Tensors) -> Work:
    """ConcatFromSequence: a copy of as many elements as come out."""
    out = read(tensors, node.outputs[0])
    source = read(tensors, node.inputs[0], elements=out.elements)
    return Work(reads=(source,), writes=(out,))


def split_sequence(node: NodeInfo, tensors: Tensors) -> Work:
    """SplitToSequence: a copy of the input."""
    source = read(tensors, node.inputs[0])
    return Work(reads=(source,), writes=(read(tensors, node.outputs[0], elements=source.elements),))


def strings(node: NodeInfo, tensors: Tensors) -> Work:
    """String operators: elements are counted, their lengths are not known; one operation an element."""
    outputs = [name for name in node.outputs if name]
    unknown = [name for name in outputs if known_size(tensors.get(name)) is None]
    if unknown:
        raise UnknownSize(unknown[0])
    return layer(node, tensors, simple=size(tensors, given(node, 0)))
