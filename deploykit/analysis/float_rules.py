"""Which nodes keep floating point, whatever the default is; a rule's docstring is what the user reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.integer_operators import INTEGER_OPERATORS, MOVEMENT
from deploykit.artifacts.graph import NodeInfo

GRID_INPUTS = {"DeformConv": (2,), "GridSample": (1,), "RoiAlign": (1,), "MaxRoiPool": (1,)}
"""The inputs that hold coordinates."""

SCALED_BY_CONSTANTS = frozenset({"Add", "Clip", "Div", "Max", "Min", "Mul", "Neg", "Sub"})

NORMALISATIONS = frozenset({"LayerNormalization", "RMSNormalization"})

LEARNED = frozenset({"Conv", "ConvTranspose"})


@dataclass(frozen=True)
class FloatMarks:
    """What a rule keeps in float: nodes by id, and tensors that an int8 node has to write unrounded.

    Each such tensor stands with the node on whose account it does.
    """

    nodes: frozenset[str]
    tensors: dict[str, str]


def integers(flow: NetworkFlow) -> FloatMarks:
    """Works on integers, conditions or shapes, not on real numbers."""
    return _nodes(
        node for node in flow.nodes if not any(map(flow.is_float_activation, (*node.inputs, *node.outputs)))
    )


def coordinates(flow: NetworkFlow) -> FloatMarks:
    """Computes coordinates: at 8 bits, a position on a map would move by up to half a 256th of its width."""
    # A convolution reads features, and so does a product whose operand others read too; the rest is geometry.
    grids = {
        node.inputs[at] for node in flow.nodes for at in GRID_INPUTS.get(node.op, ()) if len(node.inputs) > at
    }
    found: set[str] = set()
    for node in reversed(flow.nodes):
        if not grids.intersection(node.outputs):
            continue
        found.add(node.id)
        if node.op in LEARNED:
            continue
        learned = node.op in {"MatMul", "Gemm"} and any(map(flow.is_weight, node.inputs))
        for name in flow.float_inputs(node):
            others = [reader for reader in flow.readers[name] if reader.id not in found]
            if not (learned and others):
                grids.add(name)
    return FloatMarks(frozenset(found), {})


def exponents(flow: NetworkFlow) -> FloatMarks:
    """Belongs to an exponent: a step of the input is a factor of the result."""
    found: set[str] = set()
    tensors: dict[str, str] = {}
    for node in flow.nodes:
        if node.op == "Exp" and flow.float_inputs(node):
            found.add(node.id)
            _walk_up(flow, node, found, tensors)
    for node in flow.nodes:
        carries = node.op in MOVEMENT or node.op in SCALED_BY_CONSTANTS
        sources = [flow.producer.get(name) for name in flow.float_inputs(node)]
        marked = [source is not None and source.id in found for source in sources]
        if carries and marked and (all(marked) or (node.op == "Concat" and any(marked))):
            found.add(node.id)
    return FloatMarks(frozenset(found), tensors)


def _walk_up(flow: NetworkFlow, node: NodeInfo, found: set[str], tensors: dict[str, str]) -> None:
    """Mark what leads to an Exp, up to the layer that computes it: that one writes its sums unrounded."""
    for name in flow.float_inputs(node):
        tensors[name] = node.id
        above = flow.producer.get(name)
        if above is None or above.op == "Concat" or above.id in found:
            continue
        if (above.op in MOVEMENT or above.op in SCALED_BY_CONSTANTS) and len(flow.float_inputs(above)) == 1:
            found.add(above.id)
            _walk_up(flow, above, found, tensors)


def normalised_sums(flow: NetworkFlow) -> FloatMarks:
    """Is a sum that a normalisation reads: a few channels are far larger than the rest."""
    read = {node.inputs[0] for node in flow.nodes if node.op in NORMALISATIONS}
    return _nodes(node for node in flow.nodes if node.op == "Add" and node.outputs[0] in read)


def no_integer_kernel(flow: NetworkFlow) -> FloatMarks:
    """Has no integer kernel."""
    # to divide by a constant is to multiply by another one
    return _nodes(
        node
        for node in flow.nodes
        if node.op not in INTEGER_OPERATORS
        or node.domain not in ("", "ai.onnx")
        or (node.op == "Div" and not flow.is_weight(node.inputs[1]))
    )


def _nodes(nodes: Iterable[NodeInfo]) -> FloatMarks:
    return FloatMarks(frozenset(node.id for node in nodes), {})


FLOAT_RULES: tuple[Callable[[NetworkFlow], FloatMarks], ...] = (
    integers,
    coordinates,
    exponents,
    normalised_sums,
    no_integer_kernel,
)
"""In the order in which a node's reason is looked for."""
