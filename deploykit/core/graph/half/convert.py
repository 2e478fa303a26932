"""Write chosen nodes of a graph in float16: weights converted, each tensor cast once where types meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from deploykit.core.graph.bounds import static_shape
from deploykit.core.graph.half.safety import (
    LARGEST,
    MASK,
    Array,
    Values,
    constant_fault,
    operator_fault,
    range_fault,
)
from deploykit.core.graph.half.types import HalfPlaces, half_places, write_half
from deploykit.core.graph.index import defined, node_id, node_reads, subgraphs
from deploykit.core.graph.ir_version import lowest_ir_version
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import inferred, value_infos

MOVES = ("Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""What only carries a masked tensor on."""

SHAPE_ONLY = ("Shape", "Size")


@dataclass(frozen=True)
class Halved:
    """A graph with float16 nodes: which ones, the reason of each that stayed float32, what changed."""

    model: OnnxModel
    nodes: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]


def to_float16(model: OnnxModel, nodes: Collection[str], ranges: Mapping[str, tuple[float, float]]) -> Halved:
    """Give the graph with these nodes (by `node_id`) in float16, where float16 can hold their values.

    Inputs and outputs of the graph keep name and type. A tensor that a float16 node writes keeps its name
    and is float16; its float32 readers take `NAME::float32`. What float16 nodes read of others is
    `NAME::float16`. `ranges` has the lowest and highest value of tensors, as they were seen; operators that
    sum, divide or take exponents stay float32 where it says nothing. Loops and branches stay float32 as a
    whole. Masks (constants below -1e30 in a Where) become -65504, which a Softmax still suppresses.
    """
    result = model.copy()
    graph = result.proto.graph
    known = value_infos(inferred(result.proto))
    constants = {tensor.name: partial(result.array, tensor) for tensor in graph.initializer}
    types = {name: value.type.tensor_type.elem_type for name, value in known.items()}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    shapes = {name: shape for name, value in known.items() if (shape := static_shape(value)) is not None}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    reals = {name: get for name, get in constants.items() if types[name] == TensorProto.FLOAT}
    values = Values(ranges, shapes, reals)
    chosen, kept = _choose(graph, set(nodes), result.opset, types, values)
    writer = _Writer(graph, chosen, reals)
    writer.write()
    result.proto.ir_version = lowest_ir_version(result.proto)
    return Halved(result, tuple(chosen), tuple(kept.items()), (*_kept_notices(kept), *writer.notices()))


def _choose(
    graph: GraphProto, nodes: Collection[str], opset: int, types: Mapping[str, int], values: Values
) -> tuple[dict[str, HalfPlaces], dict[str, str]]:
    """Give the nodes that become float16 with their places, and the reasons of those that don't."""
    chosen: dict[str, HalfPlaces] = {}
    kept: dict[str, str] = {}
    masked: set[str] = set()
    wide: set[str] = set()
    for node in graph.node:
        name = node_id(node)
        moves = node.op_type in MOVES
        if _masks(node, values) or (moves and node.input[0] in masked):
            masked.update(node.output)
        elif _is_wide(node, values) or (moves and node.input[0] in wide):
            wide.update(each for each in node.output if each not in values.ranges)
        floats = [each for each in (*node_reads(node), *node.output) if types.get(each) == TensorProto.FLOAT]
        if name not in nodes or not floats or node.op_type in SHAPE_ONLY:
            continue
        places = half_places(node, opset, types)
        if places is None:
            body = any(subgraphs(node))
            kept[name] = "loops and branches stay float32" if body else "it has no float16, or unknown types"
            continue
        fault = _fault(node, places, values, masked, wide)
        if fault:
            kept[name] = fault
        else:
            chosen[name] = places
    return chosen, kept


def _masks(node: NodeProto, values: Values) -> bool:
    """Say whether a node puts a mask where a condition says so."""
    constants = [values.constants[name]() for name in node.input[1:] if name in values.constants]
    return node.op_type == "Where" and any(bool((array < MASK).any()) for array in constants)


def _is_wide(node: NodeProto, values: Values) -> bool:
    """Say whether a node reads a constant that float16 cannot hold: its result may not fit either."""
    constants = [values.constants[name]() for name in node.input if name in values.constants]
    return any(bool((numpy.abs(array) > LARGEST).any()) for array in constants)


def _fault(
    node: NodeProto, places: HalfPlaces, values: Values, masked: Collection[str], wide: Collection[str]
) -> str:
    for name in dict.fromkeys(node.input[at] for at in places.inputs):
        if name in values.constants:
            fault = constant_fault(name, values.constants[name](), may_mask=node.op_type == "Where")
        elif name in wide:
            fault = f"tensor {name!r} comes from a constant beyond 65504"
        else:
            fault = range_fault(name, values, masked=name in masked)
        if fault:
            return fault
    for name in (node.output[at] for at in places.outputs):
        fault = range_fault(name, values, masked=name in masked)
        if fault:
            return fault
    return operator_fault(node, values)


class _Writer:
    """Rewrites the nodes of one graph, in order."""

    def __init__(
        self,
        graph: GraphProto,
        chosen: Mapping[str, HalfPlaces],
        constants: Mapping[str, Callable[[], Array]],
    ) -> None:
        self._graph = graph
        self._chosen = chosen
        self._constants = constants
        self._outputs = {value.name for value in graph.output}
        self._taken = {name for node in graph.node for name in (*node_reads(node), *node.output)}
        self._taken |= {tensor.name for tensor in graph.initializer} | defined(graph)
        self._node_names = {node.name for node in graph.node}
        self._half: dict[str, str] = {}
        self._full: dict[str, str] = {}  # of what float16 nodes wrote; "" until a float32 node reads it
        self._written: list[str] = []
        self._nodes: list[NodeProto] = []
        self._clamped: list[str] = []
        self._flushed: list[str] = []

    def write(self) -> None:
        """Replace the graph's nodes, weights and types."""
        for node in list(self._graph.node):
            places = self._chosen.get(node_id(node))
            if places is None:
                self._keep(node)
            else:
                self._halve(node, places)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node_reads(node)} | self._outputs
        kept = [tensor for tensor in self._graph.initializer if tensor.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
        for value in self._graph.value_info:
            if value.name in self._written:
                value.type.tensor_type.elem_type = TensorProto.FLOAT16

    def notices(self) -> tuple[str, ...]:
        """Name what float16 changed in the weights."""
        texts = {"masks become -65504": self._clamped, "weights below 3e-08 become 0": self._flushed}
        return tuple(f"float16: {text}: {', '.join(found)}" for text, found in texts.items() if found)

    def _keep(self, source: NodeProto) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        rename = {
            name: self._half[name] if source.op_type in SHAPE_ONLY else self._as_full(name)
            for name in node_reads(source)
            if name in self._full
        }
        _rename_reads(node, rename)
        self._nodes.append(node)

    def _halve(self, source: NodeProto, places: HalfPlaces) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        for at, name in enumerate(source.input):
            if at in places.inputs:
                node.input[at] = self._as_half(name)
            elif name in self._full:
                node.input[at] = self._as_full(name)
        write_half(node)
        self._nodes.append(node)
        for at in places.outputs:
            name = source.output[at]
            inside = self._free(f"{name}::float16") if name in self._outputs else name
            node.output[at] = inside
            self._half[name] = inside
            self._full[name] = ""
            self._written.append(inside)
            if name in self._outputs:
                self._full[name] = self._cast(inside, name, TensorProto.FLOAT)

    def _as_half(self, name: str) -> str:
        if name not in self._half:
            target = self._free(f"{name}::float16")
            if name in self._constants:
                self._graph.initializer.append(self._converted(name, target))
            else:
                self._cast(name, target, TensorProto.FLOAT16)
            self._half[name] = target
        return self._half[name]

    def _as_full(self, name: str) -> str:
        if not self._full[name]:
            target = self._free(f"{name}::float32")
            self._full[name] = self._cast(self._half[name], target, TensorProto.FLOAT)
        return self._full[name]

    def _converted(self, name: str, target: str) -> TensorProto:
        values = self._constants[name]()
        halves = numpy.clip(values, -LARGEST, LARGEST).astype(numpy.float16)
        if bool((values < MASK).any()):
            self._clamped.append(name)
        zeros = int(((halves == 0) & (values != 0)).sum())
        if zeros:
            self._flushed.append(f"{name} ({zeros} of {values.size})")
        return numpy_helper.from_array(halves, target)

    def _cast(self, source: str, target: str, dtype: int) -> str:
        name = f"{target}::cast"
        while name in self._node_names:
            name += "_"
        self._node_names.add(name)
        self._nodes.append(helper.make_node("Cast", [source], [target], name=name, to=dtype))
        return target

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _rename_reads(node: NodeProto, rename: Mapping[str, str]) -> None:
    """Change what a node and the graphs inside it read of the graph around."""
    for at, name in enumerate(node.input):
        node.input[at] = rename.get(name, name)
    for _, graph in subgraphs(node):
        own = defined(graph)
        outer = {old: new for old, new in rename.items() if old not in own}
        for inner in graph.node:
            _rename_reads(inner, outer)
        for value in graph.output:
            value.name = outer.get(value.name, value.name)


def _kept_notices(kept: Mapping[str, str]) -> tuple[str, ...]:
    """Give one sentence a reason, with all nodes that it holds for."""
    found: dict[str, list[str]] = {}
    for node, reason in kept.items():
        found.setdefault(reason, []).append(node)
    return tuple(f"float32 instead of float16: {', '.join(nodes)}: {why}" for why, nodes in found.items())
