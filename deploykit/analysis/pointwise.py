"""Chains of functions of one value, which a chip computes as one: what lies inside them is never stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import Scheme, is_integer

POINTWISE = frozenset(
    {
        "Add",
        "Clip",
        "Div",
        "Elu",
        "Erf",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Relu",
        "Sigmoid",
        "Sub",
        "Tanh",
    }
)
"""Functions of one value, where all other operands are single constants or functions of the same value."""


def inside_pointwise(
    flow: NetworkFlow, schemes: Mapping[str, Scheme], fused: Collection[str] = ()
) -> frozenset[str]:
    """Give the tensors inside such chains of integer nodes: x * Clip(x + 3, 0, 6) / 6 is one table.

    A chain's result is rounded, so it is not among them. So is the value that it starts from, unless it is
    one of `fused`: what the chip hands over inside one pass, from an integer layer. A PRelu counts as such a
    chain there, though its slopes are many.
    """
    roots = {name: name for name in fused if is_integer(schemes[flow.producer[name].id])}
    start = roots | _starts(flow, schemes)
    function_of = start | {
        node.outputs[0]: node.inputs[0] for node in flow.nodes if _is_sloped(flow, node, schemes)
    }
    kept = {*flow.partition.outputs, *(pair.output for pair in flow.partition.state)}
    crossing = {name for segment in flow.partition.segments for name in segment.graph.outputs}
    return frozenset(
        name
        for name, root in start.items()
        if name not in kept
        and name not in crossing
        and flow.readers.get(name)
        and all(function_of.get(node.outputs[0]) == root for node in flow.readers[name])
    )


def _is_sloped(flow: NetworkFlow, node: NodeInfo, schemes: Mapping[str, Scheme]) -> bool:
    return node.op == "PRelu" and is_integer(schemes[node.id]) and flow.is_weight(node.inputs[1])


def _starts(flow: NetworkFlow, schemes: Mapping[str, Scheme]) -> dict[str, str]:
    """Give the one value that each chain's tensors are functions of."""
    found: dict[str, str] = {}
    for node in flow.nodes:
        if node.op not in POINTWISE or not is_integer(schemes[node.id]):
            continue
        sources = {found.get(name, name) for name in flow.float_inputs(node)}
        if len(sources) == 1 and all(_is_single(flow, name) for name in _constants(flow, node)):
            (found[node.outputs[0]],) = sources
    return found


def _constants(flow: NetworkFlow, node: NodeInfo) -> list[str]:
    return [name for name in node.inputs if name and flow.is_weight(name)]


def _is_single(flow: NetworkFlow, name: str) -> bool:
    shape = flow.tensor(name).shape
    return shape is not None and all(size == 1 for size in shape)
