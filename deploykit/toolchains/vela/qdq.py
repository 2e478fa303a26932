"""Read a QDQ file as what it means: operators, and the codes in which each one reads its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from onnx import NodeProto, helper

from deploykit.artifacts.precision import network_name
from deploykit.core.graph.index import node_id
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.toolchains.vela.program import Array

CODE_RANGE = {"int8": (-128, 127), "int16": (-32768, 32767)}

BOUNDS = frozenset({"Relu", "Clip"})
BOUNDED = frozenset({"Add", "Conv", "Gemm", "MatMul", "Mul", "Sub"})
"""What TensorFlow Lite computes a bound with, so that nothing between needs codes."""


@dataclass(frozen=True)
class Codes:
    """value = (code - zero_point) * scale; int16 has zero point 0, as TensorFlow Lite's kernels want it."""

    scale: float
    zero_point: int
    dtype: str

    @property
    def low(self) -> float:
        """The least value."""
        return (CODE_RANGE[self.dtype][0] - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """The greatest value."""
        return (CODE_RANGE[self.dtype][1] - self.zero_point) * self.scale


@dataclass(frozen=True)
class Read:
    """An activation as an operator reads it: in codes, or (None) in float. `root` is the name in the file of
    what was computed, before it was rounded."""

    root: str
    codes: Codes | None
    stored: bool = field(default=False, compare=False)
    """Whether the tensor is kept in these codes."""


@dataclass(frozen=True)
class Constant:
    """A constant: real values, and the codes and scales where the file has some."""

    name: str
    values: Array
    codes: Array | None = None
    scales: Array | None = None


Operand: TypeAlias = Read | Constant | None


@dataclass
class Node:
    """One operator; `low` and `high` bound what it gives (a Relu or Clip behind it that needs no codes
    before)."""

    op: str
    name: str
    inputs: list[Operand]
    outputs: list[str]
    attributes: dict[str, Any]
    low: float = -numpy.inf
    high: float = numpy.inf

    @property
    def reads(self) -> list[Read]:
        """Its activations."""
        return [operand for operand in self.inputs if isinstance(operand, Read)]


@dataclass
class QdqNetwork:
    """Nodes in execution order; `codes_of` lists the codes in which a computed tensor is wanted, the stored
    ones first. `outputs` are (name, what it holds)."""

    nodes: list[Node]
    inputs: list[str]
    outputs: list[tuple[str, Read]]
    codes_of: dict[str, list[Codes]] = field(default_factory=dict)


def codes_for(scale: float, zero_point: int, dtype: str) -> Codes:
    """Take ONNX's codes over: unsigned ones shifted; 16-bit ones get one that covers their range about 0."""
    if dtype.startswith("u"):
        zero_point -= 1 << (int(dtype[4:]) - 1)
    if dtype.endswith("8"):
        return Codes(scale, zero_point, "int8")
    low, high = (-32768 - zero_point) * scale, (32767 - zero_point) * scale
    return symmetric16(low, high)


def symmetric16(low: float, high: float) -> Codes:
    """Spread 16-bit codes over a range about 0."""
    return Codes(float(numpy.float32(max(-low / 32768, high / 32767, 1e-12))), 0, "int16")


def read_network(file: Path) -> QdqNetwork:
    """Read a QDQ file."""
    return network_of(load_model(file))


def network_of(model: OnnxModel) -> QdqNetwork:
    """Take the Q and DQ nodes of a model away."""
    reading = _Reading(model)
    network = QdqNetwork(list(reading.nodes()), [], [])
    constants = set(reading.arrays)
    network.inputs = [value.name for value in model.proto.graph.input if value.name not in constants]
    for value in model.proto.graph.output:
        operand = reading.operand(value.name)
        assert isinstance(operand, Read)
        network.outputs.append((value.name, operand))
    _fold_biases(network)
    _fold_bounds(network)
    _collect(network)
    return network


class _Reading:
    def __init__(self, model: OnnxModel) -> None:
        self._model = model
        self.arrays = {tensor.name: model.array(tensor) for tensor in model.proto.graph.initializer}
        self._producer = {name: node for node in model.proto.graph.node for name in node.output}
        for node in model.proto.graph.node:
            if node.op_type == "Constant":
                value = helper.get_attribute_value(node.attribute[0])
                self.arrays[node.output[0]] = model.array(value)

    def nodes(self) -> Iterator[Node]:
        for node in self._model.proto.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear", "Constant") or _is_float_cast(node):
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            inputs = [self.operand(name) if name else None for name in node.input]
            yield Node(node.op_type, node.name or node_id(node), inputs, list(node.output), attributes)

    def operand(self, name: str) -> Operand:
        if name in self.arrays:
            return Constant(name, self.arrays[name])
        node = self._producer.get(name)
        if node is None or node.op_type not in ("DequantizeLinear", "Cast"):
            return Read(name, None)
        if node.op_type == "Cast":
            return self.operand(node.input[0]) if _is_float_cast(node) else Read(name, None)
        if node.input[0] in self.arrays:
            return self._constant(node)
        rounded = self._producer[node.input[0]]
        before = self.operand(rounded.input[0])
        scale, zero_point = self.arrays[node.input[1]], self.arrays[node.input[2]]
        codes = codes_for(float(scale), int(zero_point), str(zero_point.dtype))
        if isinstance(before, Constant):
            return Constant(before.name, before.values)
        assert before is not None
        return Read(before.root, codes, name == network_name(before.root))

    def _constant(self, node: NodeProto) -> Constant:
        codes, scales = self.arrays[node.input[0]], self.arrays[node.input[1]]
        zero_points = self.arrays[node.input[2]] if len(node.input) > 2 else numpy.zeros_like(scales)
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if attributes.get("block_size"):
            return Constant(network_name(node.output[0]), numpy.empty(0), codes, None)
        axis = attributes.get("axis", 1)
        wide = [-1 if at == axis else 1 for at in range(codes.ndim)] if scales.ndim else []
        offset = codes.astype(numpy.int64) - zero_points.astype(numpy.int64).reshape(wide)
        return Constant(node.output[0], offset * scales.astype(numpy.float64).reshape(wide), offset, scales)


def _is_float_cast(node: NodeProto) -> bool:
    return node.op_type == "Cast" and helper.get_attribute_value(node.attribute[0]) in (1, 10)


def _readers(network: QdqNetwork) -> dict[str, list[tuple[Node, Read]]]:
    found: dict[str, list[tuple[Node, Read]]] = {}
    for node in network.nodes:
        for read in node.reads:
            found.setdefault(read.root, []).append((node, read))
    return found


def _sole_reader(network: QdqNetwork, node: Node, readers: dict[str, list[tuple[Node, Read]]]) -> Node | None:
    """Give the one node that reads a node's result, in no codes of its own."""
    found = readers.get(node.outputs[0], [])
    kept = {read.root for _, read in network.outputs}
    if len(found) != 1 or found[0][1].codes is not None or node.outputs[0] in kept:
        return None
    return found[0][0]


def _fold_biases(network: QdqNetwork) -> None:
    """Put the Add behind a MatMul into it, where it adds a number a channel."""
    readers = _readers(network)
    gone: set[int] = set()
    for node in network.nodes:
        add = _sole_reader(network, node, readers) if node.op == "MatMul" else None
        if add is None or add.op != "Add" or not isinstance(node.inputs[1], Constant):
            continue
        bias = next((operand for operand in add.inputs if isinstance(operand, Constant)), None)
        if bias is not None and bias.values.size == node.inputs[1].values.shape[-1]:
            node.inputs, node.outputs = [*node.inputs[:2], bias], add.outputs
            gone.add(id(add))
    network.nodes = [node for node in network.nodes if id(node) not in gone]


def _fold_bounds(network: QdqNetwork) -> None:
    """Put a Relu or Clip into the operator before it, where nothing is rounded between."""
    readers = _readers(network)
    gone: set[int] = set()
    for node in network.nodes:
        while node.op in BOUNDED:
            bound = _sole_reader(network, node, readers)
            if bound is None or bound.op not in BOUNDS:
                break
            low, high = bounds_of(bound)
            node.low, node.high = max(node.low, low), min(node.high, high)
            node.outputs = bound.outputs
            gone.add(id(bound))
    network.nodes = [node for node in network.nodes if id(node) not in gone]


def bounds_of(node: Node) -> tuple[float, float]:
    """Give what a Relu or Clip leaves through."""
    if node.op == "Relu":
        return 0.0, numpy.inf
    ends = [-numpy.inf, numpy.inf]
    for at, name in enumerate(("min", "max"), start=1):
        if name in node.attributes:
            ends[at - 1] = float(node.attributes[name])
        operand = node.inputs[at] if at < len(node.inputs) else None
        if isinstance(operand, Constant):
            ends[at - 1] = float(operand.values)
    return ends[0], ends[1]


def mean_axes(node: Node, rank: int) -> list[int]:
    """Give the axes that a mean is taken over."""
    if node.op == "GlobalAveragePool":
        return list(range(2, rank))
    given = node.attributes.get("axes")
    operand = node.inputs[1] if len(node.inputs) > 1 else None
    if isinstance(operand, Constant):
        given = operand.values.reshape(-1).tolist()
    return sorted(int(axis) % rank for axis in (given or range(rank)))


def _collect(network: QdqNetwork) -> None:
    """List the codes that each tensor is wanted in, those that it is stored in first."""
    reads = [read for node in network.nodes for read in node.reads]
    reads += [read for _, read in network.outputs]
    for read in sorted(reads, key=lambda found: not found.stored):
        if read.codes is not None:
            wanted = network.codes_of.setdefault(read.root, [])
            if read.codes not in wanted:
                wanted.append(read.codes)
