"""How large a tensor can get whose size only the data decides."""

from __future__ import annotations

import math
from collections.abc import Callable

from onnx import ModelProto, NodeProto, ValueInfoProto

from deploykit.core.graph.index import GraphIndex
from deploykit.core.graph.shapes import inferred, value_infos

Shape = tuple[int, ...]


def upper_bounds(proto: ModelProto) -> dict[str, Shape]:
    """Give the largest shape of every tensor that is data-dependent, where it follows from static shapes.

    The nodes that decide a size are cut out and their outputs declared at their bounds; what inference then
    finds downstream are bounds as well, since sizes grow with sizes.
    """
    makers = [at for at, node in enumerate(proto.graph.node) if is_data_dependent(node)]
    if not makers:
        return {}
    index = GraphIndex(proto.graph)
    behind = set(makers)
    for at, before in enumerate(index.before):
        if not behind.isdisjoint(before):
            behind.add(at)
    bounds: dict[str, Shape] = {}
    while True:
        probe = inferred(_with_bounds(proto, behind, bounds))
        shapes = {name: static_shape(value) for name, value in value_infos(probe).items()}
        fresh = {
            name: bound
            for at in makers
            for name, bound in _bounds_of(proto.graph.node[at], shapes, proto).items()
            if name not in bounds
        }
        if not fresh:
            break
        bounds |= fresh
    real = {name: static_shape(value) for name, value in value_infos(proto).items()}
    names = [name for at in behind for name in proto.graph.node[at].output]
    found = {name: shapes.get(name) for name in names if real.get(name) is None}
    return bounds | {name: shape for name, shape in found.items() if shape is not None}


def is_data_dependent(node: NodeProto) -> bool:
    """Say whether the values of a node's inputs decide the size of its outputs."""
    return node.op_type in _BOUNDS and node.domain in ("", "ai.onnx")


def static_shape(value: ValueInfoProto) -> Shape | None:
    """Give a declared shape where every size is a number."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or any(
        dim.WhichOneof("value") != "dim_value" for dim in tensor.shape.dim
    ):
        return None
    return tuple(dim.dim_value for dim in tensor.shape.dim)


def _with_bounds(proto: ModelProto, behind: set[int], bounds: dict[str, Shape]) -> ModelProto:
    probe = ModelProto()
    probe.CopyFrom(proto)
    graph = probe.graph
    known = value_infos(proto)
    stale = {name for at in behind for name in graph.node[at].output}
    kept_infos = [value for value in graph.value_info if value.name not in stale]
    kept_nodes = [node for node in graph.node if not any(name in bounds for name in node.output)]
    graph.ClearField("value_info")
    graph.value_info.extend(kept_infos)
    graph.ClearField("node")
    graph.node.extend(kept_nodes)
    for value in graph.output:
        if value.name in stale:
            value.type.tensor_type.ClearField("shape")
    outputs = [value for value in graph.output if value.name not in bounds]
    graph.ClearField("output")
    graph.output.extend(outputs)
    for name, bound in bounds.items():
        value = graph.input.add(name=name)
        value.type.tensor_type.elem_type = known[name].type.tensor_type.elem_type if name in known else 7
        for size in bound:
            value.type.tensor_type.shape.dim.add(dim_value=size)
    return probe


def _bounds_of(node: NodeProto, shapes: dict[str, Shape | None], proto: ModelProto) -> dict[str, Shape]:
    first = shapes.get(node.input[0])
    if first is None:
        constant = next((tensor for tensor in proto.graph.initializer if tensor.name == node.input[0]), None)
        if constant is None:
            return {}
        first = tuple(constant.dims)
    bounds = _BOUNDS[node.op_type](node, first, shapes)
    return {name: bound for name, bound in zip(node.output, bounds, strict=False) if name}


def _nonzero(node: NodeProto, data: Shape, shapes: dict[str, Shape | None]) -> tuple[Shape, ...]:
    """At most every element is not zero."""
    del node, shapes
    return ((max(len(data), 1), math.prod(data)),)


def _nms(node: NodeProto, boxes: Shape, shapes: dict[str, Shape | None]) -> tuple[Shape, ...]:
    """At most every box of every class and batch is kept."""
    scores = shapes.get(node.input[1])
    return ((math.prod(scores), 3),) if scores else ((boxes[0] * boxes[1], 3),) if len(boxes) > 1 else ()


def _unique(node: NodeProto, data: Shape, shapes: dict[str, Shape | None]) -> tuple[Shape, ...]:
    """At most every element (or slice along the axis) differs from all others."""
    del shapes
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), None)
    count = math.prod(data) if axis is None else data[axis]
    return (
        data if axis is not None else (count,),
        (count,),
        (math.prod(data) if axis is None else count,),
        (count,),
    )


def _compress(node: NodeProto, data: Shape, shapes: dict[str, Shape | None]) -> tuple[Shape, ...]:
    """At most everything is kept."""
    del shapes
    axis = any(attribute.name == "axis" for attribute in node.attribute)
    return (data if axis else (math.prod(data),),)


_BOUNDS: dict[str, Callable[[NodeProto, Shape, dict[str, Shape | None]], tuple[Shape, ...]]] = {
    "Compress": _compress,
    "NonMaxSuppression": _nms,
    "NonZero": _nonzero,
    "Unique": _unique,
}
