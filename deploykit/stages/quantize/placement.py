"""Where a network's values are rounded to codes, and which tensors have one scale together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto, helper

from deploykit.analysis.integer_operators import (
    ACTIVATIONS,
    FUSES_WITH_ACTIVATION,
    INTEGER_OPERATORS,
    IntegerOperator,
    shares_scale,
)
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan, Scheme
from deploykit.core.graph.index import node_id, node_reads
from deploykit.stages.quantize.prepare import PreparedSegment


@dataclass(frozen=True)
class Operands:
    """The inputs of an int8 node that hold codes, by position: activations, constants, weight and bias."""

    activations: tuple[int, ...]
    constants: tuple[int, ...]
    weights: tuple[int, ...]
    bias: int | None


@dataclass(frozen=True)
class Placement:
    """What is rounded. `rounded` is in execution order; `groups` are tensors with one scale and zero point.

    `stored` tensors are int8 wherever they lie: who writes one rounds it, and all read the same. The other
    rounded tensors stay float, and their int8 readers round for themselves.
    """

    rounded: tuple[str, ...]
    stored: frozenset[str]
    groups: tuple[tuple[str, ...], ...]
    fixed_ranges: dict[str, tuple[float, float]]


def place(partition: Partition, plan: PrecisionPlan, prepared: Sequence[PreparedSegment]) -> Placement:
    """Decide where values are rounded, from the plan's schemes and storage types."""
    schemes = plan.scheme_of()
    stored_types = {tensor.tensor: tensor.dtype for tensor in plan.tensors}
    fused = set(_fused(partition, prepared, schemes))
    stored = frozenset(name for name, dtype in stored_types.items() if dtype == "int8") - fused
    read: set[str] = set()
    fixed: dict[str, tuple[float, float]] = {}
    for segment in prepared:
        for node in segment.nodes:
            operands = operands_of(node, segment, schemes)
            if operands is None:
                continue
            read.update(node.input[at] for at in operands.activations)
            known_range = INTEGER_OPERATORS.get(node.op_type, IntegerOperator()).output_range
            if known_range is not None:
                fixed[node.output[0]] = known_range
    made = (name for segment in prepared for node in segment.nodes for name in node.output if name)
    activations = dict.fromkeys((*partition.inputs, *made))
    rounded = tuple(name for name in activations if (name in stored or name in read) and name not in fused)
    groups = _groups(partition, prepared, schemes, rounded)
    return Placement(rounded, stored & frozenset(rounded), groups, fixed)


def operands_of(node: NodeProto, segment: PreparedSegment, schemes: Mapping[str, Scheme]) -> Operands | None:
    """Give what an int8 node reads as codes; None for other nodes."""
    if schemes.get(node_id(node)) != "w8a8":
        return None
    operator = INTEGER_OPERATORS.get(node.op_type, IntegerOperator(data=()))
    weight = operator.weight
    data = list(operator.data or range(len(node.input)))
    if weight is not None and not segment.is_weight(node.input[weight]):
        data.append(weight)  # a layer whose weights are computed at run time
        weight = None
    numbers = [at for at in data if at < len(node.input) and segment.is_float(node.input[at])]
    constants = [at for at in numbers if segment.is_weight(node.input[at])]
    learned = [] if weight is None else [weight]
    if node.op_type in ("MatMul", "PRelu"):
        learned, constants = constants, []
    bias = operator.bias
    if bias is None or len(node.input) <= bias or not segment.is_weight(node.input[bias]):
        bias = None
    return Operands(
        tuple(at for at in numbers if not segment.is_weight(node.input[at])),
        tuple(constants),
        tuple(learned),
        bias,
    )


def _fused(
    partition: Partition, prepared: Sequence[PreparedSegment], schemes: Mapping[str, Scheme]
) -> Iterator[str]:
    """Give the tensors between a layer and its Relu or Clip: the chip applies the bounds before it rounds."""
    outside = set(partition.outputs)
    for segment in prepared:
        joints = outside | {value.name for value in segment.model.proto.graph.output}
        writers = {name: node for node in segment.nodes for name in node.output}
        counts: dict[str, int] = {}
        for node in segment.nodes:
            for name in node_reads(node):
                counts[name] = counts.get(name, 0) + 1
        for node in segment.nodes:
            name = node.input[0] if node.input else ""
            above = writers.get(name)
            if (
                node.op_type in ACTIVATIONS
                and above is not None
                and above.op_type in FUSES_WITH_ACTIVATION
                and schemes.get(node_id(node)) == schemes.get(node_id(above)) == "w8a8"
                and counts[name] == 1
                and name not in joints
            ):
                yield name


def _groups(
    partition: Partition,
    prepared: Sequence[PreparedSegment],
    schemes: Mapping[str, Scheme],
    rounded: Sequence[str],
) -> tuple[tuple[str, ...], ...]:
    """Join what must have one scale: values that are only moved, and the two ends of a state pair."""
    root = {name: name for name in rounded}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for first, second in _links(partition, prepared, schemes):
        if first in root and second in root:
            root[find(second)] = find(first)
    members: dict[str, list[str]] = {}
    for name in rounded:
        members.setdefault(find(name), []).append(name)
    return tuple(tuple(names) for names in members.values())


def _links(
    partition: Partition, prepared: Sequence[PreparedSegment], schemes: Mapping[str, Scheme]
) -> Iterator[tuple[str, str]]:
    for segment in prepared:
        for node in segment.nodes:
            if schemes.get(node_id(node)) != "w8a8":
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name == "mode"}
            mode = attributes.get("mode", b"")
            sharing = shares_scale(node.op_type, mode=mode.decode() if isinstance(mode, bytes) else "")
            sources = {"none": [], "first": node.input[:1], "all": node.input}[sharing]
            yield from ((source, output) for source in sources for output in node.output)
    yield from ((pair.output, pair.input) for pair in partition.state)
