"""How a node of a newer opset is written in an older one: one function an operator.

A rule changes the node in place and gives True; False leaves it to the plain comparison of both signatures.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

from deploykit.core.graph.index import describe

Rule = Callable[[NodeProto, GraphProto, GraphProto, "onnx.defs.OpSchema"], bool]


class Blocked(Exception):
    """A node stands in the way; the text names it."""


def axes_to_attribute(
    node: NodeProto, graph: GraphProto, shapes: GraphProto, older: onnx.defs.OpSchema
) -> bool:
    """Reduce*, Squeeze, Unsqueeze: the axes were an attribute, now they are an input."""
    del shapes
    if "axes" not in older.attributes:
        return False
    idle = [at for at, attribute in enumerate(node.attribute) if attribute.name == "noop_with_empty_axes"]
    if idle and node.attribute[idle[0]].i and (len(node.input) < 2 or not node.input[1]):
        raise Blocked(
            f"{describe(node)} reduces nothing (noop_with_empty_axes), which the older opset cannot say"
        )
    for at in idle:
        del node.attribute[at]
    if len(node.input) < 2:
        return True
    name = node.input[1]
    del node.input[1:]
    if name:
        axes = [int(axis) for axis in _constant(graph, name, node)]
        if axes:
            node.attribute.append(onnx.helper.make_attribute("axes", axes))
    return True


def split_sizes(node: NodeProto, graph: GraphProto, shapes: GraphProto, older: onnx.defs.OpSchema) -> bool:
    """Split: `num_outputs` becomes the list of sizes; below opset 13 that list is an attribute."""
    sizes = _split_sizes(node, graph, shapes)
    del node.input[1:]
    for at in reversed(
        [at for at, attribute in enumerate(node.attribute) if attribute.name in ("num_outputs", "split")]
    ):
        del node.attribute[at]
    if "split" in older.attributes:
        node.attribute.append(onnx.helper.make_attribute("split", sizes))
        return True
    name = f"{node.output[0]}_split"
    graph.initializer.append(onnx.helper.make_tensor(name, TensorProto.INT64, [len(sizes)], sizes))
    node.input.append(name)
    return True


def last_axis_softmax(
    node: NodeProto, graph: GraphProto, shapes: GraphProto, older: onnx.defs.OpSchema
) -> bool:
    """Softmax, LogSoftmax, Hardmax below opset 13 flatten what follows the axis: the same only for the
    last axis."""
    del graph
    if older.since_version >= 13:
        return True
    rank = _rank(node.input[0], shapes)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    if rank is None or axis not in (-1, rank - 1):
        raise Blocked(
            f"{describe(node)} works along axis {axis}; below opset 13 only the last axis means the same"
        )
    for at in reversed(range(len(node.attribute))):
        del node.attribute[at]
    node.attribute.append(onnx.helper.make_attribute("axis", rank - 1))
    return True


def grid_sample_mode(
    node: NodeProto, graph: GraphProto, shapes: GraphProto, older: onnx.defs.OpSchema
) -> bool:
    """GridSample: opset 20 calls bilinear "linear" and bicubic "cubic", and samples volumes too."""
    del graph
    if older.since_version >= 20:
        return True
    rank = _rank(node.input[0], shapes)
    if rank not in (None, 4):
        raise Blocked(f"{describe(node)} samples {rank} dimensions; below opset 20 there are 4")
    names = {b"linear": b"bilinear", b"cubic": b"bicubic"}
    found = next((attribute for attribute in node.attribute if attribute.name == "mode"), None)
    if found is not None:
        found.s = names.get(found.s, found.s)
    return True


def known_values(node: NodeProto, graph: GraphProto, shapes: GraphProto, older: onnx.defs.OpSchema) -> bool:
    """Pad, ScatterElements, ScatterND: later opsets allow more values of an attribute."""
    del graph, shapes
    for attribute in node.attribute:
        since = _SINCE.get((node.op_type, attribute.name, attribute.s), 0)
        if since > older.since_version:
            value = attribute.s.decode("utf-8", "replace")
            raise Blocked(f"{describe(node)} has {attribute.name}={value!r}, which came with opset {since}")
    return False


_SINCE = {
    ("Pad", "mode", b"wrap"): 19,
    ("ScatterElements", "reduction", b"max"): 18,
    ("ScatterElements", "reduction", b"min"): 18,
    ("ScatterND", "reduction", b"max"): 18,
    ("ScatterND", "reduction", b"min"): 18,
}
"""The opset in which a value of an attribute appeared, where that is later than the attribute itself."""


def _split_sizes(node: NodeProto, graph: GraphProto, shapes: GraphProto) -> list[int]:
    if len(node.input) > 1 and node.input[1]:
        return [int(size) for size in _constant(graph, node.input[1], node)]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    dims = _dims(node.input[0], shapes)
    total = dims[axis] if dims and -len(dims) <= axis < len(dims) else None
    if total is None:
        raise Blocked(f"{describe(node)} splits a size that is not known; bind it under `export:` first")
    part = -(-total // len(node.output))
    return [max(0, min(part, total - part * at)) for at in range(len(node.output))]


def _constant(graph: GraphProto, name: str, node: NodeProto) -> list[int]:
    tensor = next((tensor for tensor in graph.initializer if tensor.name == name), None)
    if tensor is None:
        raise Blocked(f"{describe(node)} computes its {name!r}; the older opset needs a fixed one")
    return [int(value) for value in numpy_helper.to_array(tensor).reshape(-1)]


def _dims(name: str, shapes: GraphProto) -> list[int | None] | None:
    for tensor in shapes.initializer:
        if tensor.name == name:
            return list(tensor.dims)
    for value in (*shapes.value_info, *shapes.input, *shapes.output):
        if value.name == name and value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            return [dim.dim_value if dim.WhichOneof("value") == "dim_value" else None for dim in dims]
    return None


def _rank(name: str, shapes: GraphProto) -> int | None:
    dims = _dims(name, shapes)
    return None if dims is None else len(dims)


_AXES = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

DOWN_RULES: dict[str, Rule] = {
    **{f"Reduce{kind}": axes_to_attribute for kind in _AXES},
    "GridSample": grid_sample_mode,
    "Hardmax": last_axis_softmax,
    "LogSoftmax": last_axis_softmax,
    "Pad": known_values,
    "ScatterElements": known_values,
    "ScatterND": known_values,
    "Softmax": last_axis_softmax,
    "Split": split_sizes,
    "Squeeze": axes_to_attribute,
    "Unsqueeze": axes_to_attribute,
}
