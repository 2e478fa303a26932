"""Layers with what follows them, and which of them need one width of activations."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.integer_operators import INTEGER_OPERATORS, shares_scale
from deploykit.artifacts.graph import NodeInfo

LAYERS = frozenset(name for name, op in INTEGER_OPERATORS.items() if op.weight is not None) | {"MatMul"}
"""Operators that begin a unit."""

JOINING = frozenset({"Add", "Max", "Min", "Mul", "Sub"})
"""Operators whose integer kernels take operands of one width."""


@dataclass(frozen=True)
class Unit:
    """A layer (`nodes[0]`) and the nodes without weights that its result runs through, by id."""

    nodes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The id of the layer."""
        return self.nodes[0]


def layer_units(flow: NetworkFlow, integer: Collection[str]) -> tuple[Unit, ...]:
    """Divide the nodes that may compute on integers into units, in execution order.

    A node that is no layer belongs to the unit that makes its first operand; without one it begins its own.
    """
    owner: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for node in flow.nodes:
        if node.id not in integer:
            continue
        sources = [flow.producer.get(name) for name in flow.float_inputs(node)[:1]]
        above = next((source.id for source in sources if source is not None), "")
        head = node.id if node.op in LAYERS else owner.get(above, node.id)
        owner[node.id] = head
        members.setdefault(head, []).append(node.id)
    return tuple(Unit(tuple(nodes)) for nodes in members.values())


def joined_units(flow: NetworkFlow, units: Collection[Unit]) -> tuple[tuple[Unit, ...], ...]:
    """Group units whose activations need one width: over Concat, sums and pooling, state pairs, joints."""
    unit_of = {node: unit for unit in units for node in unit.nodes}
    root = {unit.name: unit.name for unit in units}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for first, second in (*_operands(flow), *_states(flow), *_joints(flow)):
        if first in unit_of and second in unit_of:
            root[find(unit_of[second].name)] = find(unit_of[first].name)
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        groups.setdefault(find(unit.name), []).append(unit)
    return tuple(tuple(group) for group in groups.values())


def _operands(flow: NetworkFlow) -> Iterator[tuple[str, str]]:
    for node in flow.nodes:
        sharing = shares_scale(node.op, mode=str(node.attribute("mode", "")))
        if sharing == "none" and node.op not in JOINING:
            continue
        names = flow.float_inputs(node)
        for name in names[:1] if sharing == "first" else names:
            above = flow.producer.get(name)
            if above is not None:
                yield node.id, above.id


def _states(flow: NetworkFlow) -> Iterator[tuple[str, str]]:
    for state_input, output in flow.state_output.items():
        yield from _with_readers(flow, output, flow.readers.get(state_input, ()))


def _joints(flow: NetworkFlow) -> Iterator[tuple[str, str]]:
    for name in flow.partition.crossing:
        if flow.is_float_activation(name):
            yield from _with_readers(flow, name, flow.readers.get(name, ()))


def _with_readers(
    flow: NetworkFlow, written: str, readers: Collection[NodeInfo]
) -> Iterator[tuple[str, str]]:
    maker = flow.producer.get(written)
    if maker is not None:
        own = flow.segment_of[maker.id]
        across = [reader for reader in readers if flow.segment_of[reader.id] != own]
        yield from ((maker.id, reader.id) for reader in (across or readers))
