"""Sizes of inputs: what is free gets a symbol, and symbols get values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import onnx
from onnx import GraphProto, TensorShapeProto, TypeProto, ValueInfoProto

from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.check import nearest
from deploykit.core.graph.index import GraphIndex, all_graphs
from deploykit.core.graph.model import OnnxModel


def dims_of(value: ValueInfoProto) -> list[TensorShapeProto.Dimension]:
    """Give the sizes that a value declares; empty where it declares none."""
    return list(value.type.tensor_type.shape.dim)


def all_dims(graph: GraphProto) -> Iterator[tuple[str, int, TensorShapeProto.Dimension]]:
    """Give every declared size of a graph and its subgraphs, with the tensor's name and the axis."""
    for inner in all_graphs(graph):
        for value in (*inner.input, *inner.output, *inner.value_info):
            for axis, dim in enumerate(_type_dims(value.type)):
                yield value.name, axis, dim


def _type_dims(declared: TypeProto) -> list[TensorShapeProto.Dimension]:
    kind = declared.WhichOneof("value")
    if kind == "sequence_type":
        return _type_dims(declared.sequence_type.elem_type)
    if kind == "optional_type":
        return _type_dims(declared.optional_type.elem_type)
    return list(declared.tensor_type.shape.dim)


def name_free_dims(model: OnnxModel) -> None:
    """Turn -1, "?" and empty sizes into unknowns, and give those of the graph's inputs a symbol
    `<input>_dim<axis>`.

    Where an output shows by shape inference that its own symbol is such a size, that symbol's name is taken.
    """
    graph = model.proto.graph
    negative = dict.fromkeys(name for name, _, dim in all_dims(graph) if dim.dim_value < 0)
    if negative:
        names = ", ".join(negative)
        model.notices.append(f"sizes of -1 are not valid in ONNX; they are read as free sizes: {names}")
    for _, _, dim in all_dims(graph):
        if dim.dim_value < 0 or not _is_symbol(dim.dim_param):
            clear = dim.dim_value < 0 or dim.WhichOneof("value") == "dim_param"
            if clear:
                dim.Clear()
    weights = GraphIndex(graph).weights
    taken = {dim.dim_param for _, _, dim in all_dims(graph) if dim.dim_param}
    made = []
    for value in graph.input:
        for axis, dim in enumerate(dims_of(value)):
            if value.name not in weights and dim.WhichOneof("value") is None:
                dim.dim_param = _free_symbol(f"{value.name}_dim{axis}", taken)
                made.append(dim.dim_param)
    if made:
        substitute(graph, _names_by_outputs(model, made))


def symbols(graph: GraphProto) -> tuple[str, ...]:
    """Give the symbols in the inputs' shapes, in order."""
    names = (dim.dim_param for value in graph.input for dim in dims_of(value) if dim.dim_param)
    return tuple(dict.fromkeys(names))


def bind(model: OnnxModel, sizes: Mapping[str, int], shapes: Mapping[str, Sequence[int]]) -> None:
    """Give symbols a value: by symbol (`sizes`), or through the whole shape of an input (`shapes`).

    Raises InputError with all faults: unknown names with the nearest known ones, contradictions, bad sizes.
    """
    graph = model.proto.graph
    known = symbols(graph)
    bound: dict[str, int] = {}
    faults = []
    for symbol, size in sizes.items():
        if symbol not in known:
            hint = nearest(symbol, known) or f"free sizes are: {', '.join(known) or 'none'}"
            faults.append(Fault(f"size {symbol!r}", f"{model.name} has no free size of this name", hint))
        elif size < 1:
            faults.append(Fault(f"size {symbol!r}", f"{size} is no size", "give a positive number"))
        else:
            bound[symbol] = size
    inputs = {value.name: value for value in graph.input}
    for name, shape in shapes.items():
        if name not in inputs:
            hint = nearest(name, inputs) or f"inputs are: {', '.join(inputs)}"
            faults.append(Fault(f"shape of {name!r}", f"{model.name} has no input of this name", hint))
        else:
            faults += _bind_shape(inputs[name], tuple(shape), bound)
    if faults:
        raise InputError(*faults)
    substitute(graph, bound)


def substitute(graph: GraphProto, values: Mapping[str, int | str]) -> None:
    """Replace symbols everywhere in a graph by sizes or by other symbols."""
    for _, _, dim in all_dims(graph):
        value = values.get(dim.dim_param)
        if isinstance(value, int):
            dim.dim_value = value
        elif value is not None:
            dim.dim_param = value


def _bind_shape(value: ValueInfoProto, shape: tuple[int, ...], bound: dict[str, int]) -> list[Fault]:
    where, dims = f"shape of {value.name!r}", dims_of(value)
    if not value.type.tensor_type.HasField("shape"):
        for size in shape:
            value.type.tensor_type.shape.dim.add(dim_value=size)
        return []
    if len(dims) != len(shape):
        return [Fault(where, f"{list(shape)} has {len(shape)} sizes, the model's input has {len(dims)}")]
    faults = []
    for axis, (dim, size) in enumerate(zip(dims, shape, strict=True)):
        if size < 1:
            faults.append(Fault(where, f"{size} at axis {axis} is no size", "give positive numbers"))
        elif dim.dim_param:
            if bound.setdefault(dim.dim_param, size) != size:
                other = bound[dim.dim_param]
                what = f"axis {axis} is the free size {dim.dim_param!r}, which is {other} elsewhere"
                faults.append(Fault(where, what, "give the same size in both places"))
        elif dim.dim_value != size:
            what = f"axis {axis} is {dim.dim_value} in the model and cannot be {size}"
            faults.append(Fault(where, what, "only free sizes can be bound"))
    return faults


def _is_symbol(name: str) -> bool:
    return name.strip() not in ("", "?", "-1", "None", "none", "unk", "unknown")


def _free_symbol(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _names_by_outputs(model: OnnxModel, made: list[str]) -> dict[str, str]:
    """Find outputs whose declared symbol stands where inference finds one that we made."""
    graph = model.proto.graph
    probe = onnx.ModelProto()
    probe.CopyFrom(model.proto)
    for value in probe.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = {
        value.name: value for value in onnx.shape_inference.infer_shapes(probe, data_prop=True).graph.output
    }
    used = set(symbols(graph))
    found: dict[str, str] = {}
    for value in graph.output:
        for declared, seen in zip(dims_of(value), dims_of(inferred[value.name]), strict=False):
            if declared.dim_param and declared.dim_param not in used and seen.dim_param in made:
                found.setdefault(seen.dim_param, declared.dim_param)
                used.add(declared.dim_param)
    return found
