"""Shapes that ONNX's inference loses: found by computing the shape arithmetic for trial sizes.

Free sizes get two sets of trial values. The shape arithmetic (Shape, Gather, Concat ... on integers) is then
plain numbers, so inference gets through. A size that is the same in both trials is a constant; one that
equals a symbol's value in both is that symbol; anything else stays as it was. Sizes that the data decides
never get known.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from deploykit.core.errors import InputError
from deploykit.core.graph.bounds import static_shape
from deploykit.core.graph.dims import substitute, symbols
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import inferred, value_infos
from deploykit.core.runtime import open_session, run_session

Array: TypeAlias = NDArray[Any]

TRIALS = (
    (32, 96, 160, 224, 288, 352, 416, 480, 544, 608),
    (64, 192, 320, 448, 576, 704, 832, 960, 1088, 1216),
)
"""Multiples of 32, since detectors halve their input up to five times; no two symbols share a value."""

MAX_ELEMENTS = 1024
MAX_ROUNDS = 64

SHAPE_OPERATORS = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Div",
        "Equal",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Round",
        "ScatterND",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
GROWING_OPERATORS = frozenset({"ConstantOfShape", "Expand", "Range", "Tile"})
"""Small operands may give huge results; they are computed only where ONNX's inference knows the size
first."""


def refine_shapes(model: OnnxModel) -> None:
    """Fill in sizes of the main graph that are constants or symbols though inference does not see it."""
    known = value_infos(model.proto)
    free = symbols(model.proto.graph)
    made = [name for node in model.proto.graph.node for name in node.output if name]
    lost = [name for name in made if name not in known or not _settled(known[name], free)]
    if not lost or len(free) > len(TRIALS[0]):
        return
    trials = [dict(zip(free, sizes, strict=False)) for sizes in (TRIALS if free else TRIALS[:1])]
    found = [_static_shapes(model, trial) for trial in trials]
    for name in lost:
        shapes = [shapes[name] for shapes in found if name in shapes]
        if len(shapes) == len(trials) and len({len(shape) for shape, _ in shapes}) == 1:
            _write(model, name, known.get(name), [shape for shape, _ in shapes], trials, shapes[0][1])


def _settled(value: ValueInfoProto, free: tuple[str, ...]) -> bool:
    tensor = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type":
        return value.type.WhichOneof("value") is not None
    return tensor.HasField("shape") and all(
        dim.WhichOneof("value") == "dim_value" or dim.dim_param in free for dim in tensor.shape.dim
    )


def _write(
    model: OnnxModel,
    name: str,
    value: ValueInfoProto | None,
    shapes: list[tuple[int, ...]],
    trials: list[dict[str, int]],
    element_type: int,
) -> None:
    graph = model.proto.graph
    if value is None:
        value = graph.value_info.add(name=name)
    tensor = value.type.tensor_type
    old = list(tensor.shape.dim) if tensor.HasField("shape") else []
    tensor.elem_type = tensor.elem_type or element_type
    made = onnx.TensorShapeProto()
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        dim = made.dim.add()
        symbol = next(
            (s for s in trials[0] if all(t[s] == size for t, size in zip(trials, sizes, strict=True))), ""
        )
        if len(set(sizes)) == 1:
            dim.dim_value = sizes[0]
        elif symbol:
            dim.dim_param = symbol
        elif len(old) == len(sizes) or axis < len(old):
            dim.CopyFrom(old[axis])
    tensor.shape.CopyFrom(made)


def _static_shapes(model: OnnxModel, trial: dict[str, int]) -> dict[str, tuple[tuple[int, ...], int]]:
    """Give shape and element type of every tensor that gets static with these sizes."""
    probe = ModelProto()
    probe.CopyFrom(model.proto)
    substitute(probe.graph, trial)
    _forget_guesses(probe)
    values = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in probe.graph.initializer if _is_small(tensor)
    }
    known: dict[str, tuple[int, ...]] = {}
    for _ in range(MAX_ROUNDS):
        probe = inferred(probe)
        infos = value_infos(probe)
        shapes = {name: shape for name, value in infos.items() if (shape := static_shape(value)) is not None}
        if len(shapes) == len(known):
            break
        known = shapes
        fresh = _fold(probe, values, known)
        values |= fresh
        _put_in(probe, fresh)
    types = {name: value.type.tensor_type.elem_type for name, value in infos.items()}
    folded = {name: (value.shape, types.get(name, TensorProto.INT64)) for name, value in values.items()}
    return {name: (shape, types[name]) for name, shape in known.items()} | folded


def _forget_guesses(probe: ModelProto) -> None:
    """Drop what was declared with sizes that no trial fixes; inference would keep it as it is."""
    for value in (*probe.graph.value_info, *probe.graph.output):
        tensor = value.type.tensor_type
        for dim in tensor.shape.dim:
            if dim.dim_param:
                dim.Clear()


def _is_small(tensor: TensorProto) -> bool:
    return (
        math.prod(tensor.dims) <= MAX_ELEMENTS
        and tensor.data_location != TensorProto.EXTERNAL
        and tensor.data_type != TensorProto.STRING
    )


def _fold(
    probe: ModelProto, values: dict[str, Array], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Compute all shape arithmetic whose operands are known; gives the new values."""
    available = set(values)
    nodes: list[NodeProto] = []
    fresh: dict[str, Array] = {}
    for node in probe.graph.node:
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
            fresh[node.output[0]] = _shape_value(node, shapes[node.input[0]])
            available.add(node.output[0])
        elif _is_foldable(node, available, shapes):
            nodes.append(node)
            available.update(node.output)
    if not nodes:
        return fresh
    try:
        return fresh | _run(probe, nodes, values | fresh)
    except InputError:  # an operator without a kernel for such integers: the shapes stay unknown
        return fresh


def _is_foldable(node: NodeProto, available: set[str], shapes: dict[str, tuple[int, ...]]) -> bool:
    if not node.input or not all(name in available for name in node.input if name):
        return False
    if node.op_type in GROWING_OPERATORS:
        return math.prod(shapes.get(node.output[0], (MAX_ELEMENTS + 1,))) <= MAX_ELEMENTS
    return node.op_type in SHAPE_OPERATORS


def _shape_value(node: NodeProto, shape: tuple[int, ...]) -> Array:
    if node.op_type == "Size":
        return numpy.array(math.prod(shape), dtype=numpy.int64)
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return numpy.array(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], dtype=numpy.int64)


def _run(probe: ModelProto, nodes: list[NodeProto], values: dict[str, Array]) -> dict[str, Array]:
    names = [name for node in nodes for name in node.output if name]
    read = {name for node in nodes for name in node.input} - set(names)
    graph = onnx.helper.make_graph(
        nodes,
        "shape_arithmetic",
        [],
        [ValueInfoProto(name=name) for name in names],
        [numpy_helper.from_array(numpy.asarray(values[name]), name) for name in read if name],
    )
    small = onnx.helper.make_model(graph, opset_imports=list(probe.opset_import), ir_version=probe.ir_version)
    results = run_session(open_session(small.SerializeToString()), {}, names)
    pairs = zip(names, results, strict=True)
    return {
        name: value
        for name, value in pairs
        if isinstance(value, numpy.ndarray) and value.size <= MAX_ELEMENTS
    }


def _put_in(probe: ModelProto, fresh: dict[str, Array]) -> None:
    """Replace nodes whose outputs are all known by constants, for inference to read."""
    graph = probe.graph
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        names = [name for name in node.output if name]
        if names and all(name in fresh and name not in outputs for name in names):
            graph.initializer.extend(
                numpy_helper.from_array(numpy.asarray(fresh[name]), name) for name in names
            )
        else:
            copy = NodeProto()
            copy.CopyFrom(node)
            kept.append(copy)
    graph.ClearField("node")
    graph.node.extend(kept)
