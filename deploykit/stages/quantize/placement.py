"""Where a network's values are rounded to codes, and which tensors have one scale together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import helper

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.integer_operators import (
    ACTIVATIONS,
    FUSES_WITH_ACTIVATION,
    INTEGER_OPERATORS,
    IntegerOperator,
    shares_scale,
)
from deploykit.analysis.pointwise import inside_pointwise
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan, Scheme, is_integer
from deploykit.core.graph.index import node_id, node_reads
from deploykit.stages.quantize.operands import bias_adds, operands_of
from deploykit.stages.quantize.prepare import PreparedSegment


@dataclass(frozen=True)
class Placement:
    """What is rounded, and to how many bits. `groups` are tensors with one scale for each width.

    `stored` tensors hold integers of that many bits wherever they lie: who writes one rounds it, and its
    readers take it, but for those that work on fewer bits. These round for themselves, as do the readers of
    tensors that stay float. `widths` has all widths of each rounded tensor in execution order, its stored
    one first.
    """

    widths: dict[str, tuple[int, ...]]
    stored: dict[str, int]
    groups: tuple[tuple[str, ...], ...]
    fixed_ranges: dict[str, tuple[float, float]]

    def width(self, name: str, bits: int) -> int:
        """Give the width in which a node on `bits`-bit activations reads a rounded tensor."""
        return min(bits, self.stored.get(name, bits))


def place(
    partition: Partition,
    plan: PrecisionPlan,
    schemes: Mapping[str, Scheme],
    prepared: Sequence[PreparedSegment],
    *,
    fused: Collection[str],
    kept_float: Collection[str] = (),
) -> Placement:
    """Decide where values are rounded, from the prepared nodes' schemes and the plan's storage types.

    `fused` are tensors between a layer and what the chip computes on its way out, `kept_float` are not
    rounded whatever the plan says.
    """
    inside = inside_pointwise(NetworkFlow(partition), plan.scheme_of(), fused)
    unrounded = {*_fused(partition, prepared, schemes), *inside, *kept_float}
    integers = {f"int{bits}": bits for bits in (8, 16)}
    stored = {
        tensor.tensor: integers[tensor.dtype]
        for tensor in plan.tensors
        if tensor.dtype in integers and tensor.tensor not in unrounded
    }
    read: dict[str, set[int]] = {}
    fixed: dict[str, tuple[float, float]] = {}
    for segment in prepared:
        for node in segment.nodes:
            operands = operands_of(node, segment, schemes)
            if operands is None:
                continue
            for at in operands.activations:
                name = node.input[at]
                read.setdefault(name, set()).add(min(operands.bits, stored.get(name, operands.bits)))
            known_range = INTEGER_OPERATORS.get(node.op_type, IntegerOperator()).output_range
            if known_range is not None:
                fixed[node.output[0]] = known_range
    made = (name for segment in prepared for node in segment.nodes for name in node.output if name)
    widths = {}
    for name in dict.fromkeys((*partition.inputs, *made)):
        found = dict.fromkeys((*([stored[name]] if name in stored else []), *sorted(read.get(name, ()))))
        if found and name not in unrounded:
            widths[name] = tuple(found)
    groups = _groups(partition, prepared, schemes, tuple(widths))
    return Placement(widths, {name: bits for name, bits in stored.items() if name in widths}, groups, fixed)


def _fused(
    partition: Partition, prepared: Sequence[PreparedSegment], schemes: Mapping[str, Scheme]
) -> Iterator[str]:
    """Give what a chip never rounds: between a layer and its Relu or Clip, between a MatMul and its bias."""
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
                and all(is_integer(schemes.get(node_id(each), "float32")) for each in (node, above))
                and counts[name] == 1
                and name not in joints
            ):
                yield name
        yield from bias_adds(segment, schemes)


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
            if not is_integer(schemes.get(node_id(node), "float32")):
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name == "mode"}
            mode = attributes.get("mode", b"")
            sharing = shares_scale(node.op_type, mode=mode.decode() if isinstance(mode, bytes) else "")
            sources = {"none": [], "first": node.input[:1], "all": node.input}[sharing]
            yield from ((source, output) for source in sources for output in node.output)
    yield from ((pair.output, pair.input) for pair in partition.state)
