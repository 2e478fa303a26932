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

SUMS = frozenset({"Add", "Sub", "Where"})
"""What joins a score and its mask, or a residual path and a layer's result."""

EXPONENTS = frozenset({"Exp", "LogSoftmax", "Softmax"})

NORMALISATIONS = frozenset({"LayerNormalization", "RMSNormalization"})

LEARNED = frozenset({"Conv", "ConvTranspose"})

LAYERS = LEARNED | {"Gemm", "MatMul"}


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
        if node.op in EXPONENTS and flow.float_inputs(node):
            found.add(node.id)
            _walk_up(flow, node, found, tensors)
    grown = {node.id for node in flow.nodes if node.op == "Exp"}  # what a Softmax gives is at most 1
    for node in flow.nodes:
        carries = node.op in MOVEMENT or node.op in SCALED_BY_CONSTANTS
        sources = [flow.producer.get(name) for name in flow.float_inputs(node)]
        marked = [source is not None and source.id in grown for source in sources]
        if carries and marked and (all(marked) or (node.op == "Concat" and any(marked))):
            grown.add(node.id)
    return FloatMarks(frozenset(found | grown), tensors)


def normalised_sums(flow: NetworkFlow) -> FloatMarks:
    """Is a sum that a normalisation reads: a few channels are far larger than the rest."""
    found: set[str] = set()
    tensors: dict[str, str] = {}
    for node in flow.nodes:
        if node.op in NORMALISATIONS and flow.is_float_activation(node.inputs[0]):
            _walk_up(flow, node, found, tensors)
    return FloatMarks(frozenset(found), tensors)


def _walk_up(flow: NetworkFlow, node: NodeInfo, found: set[str], tensors: dict[str, str]) -> None:
    """Mark what leads to a node, up to the layers that compute it: these write their sums unrounded."""
    for name in flow.float_inputs(node):
        tensors.setdefault(name, node.id)
        above = flow.producer.get(name)
        if above is None or above.op == "Concat" or above.id in found or _is_bias(flow, above):
            continue
        carries = above.op in MOVEMENT or above.op in SCALED_BY_CONSTANTS
        if above.op in SUMS or (carries and len(flow.float_inputs(above)) == 1):
            found.add(above.id)
            _walk_up(flow, above, found, tensors)


def _is_bias(flow: NetworkFlow, node: NodeInfo) -> bool:
    """Say whether an Add is the bias of a product with learned weights, and so a part of that layer."""
    if node.op != "Add" or len(flow.float_inputs(node)) != 1:
        return False
    above = flow.producer.get(flow.float_inputs(node)[0])
    return above is not None and above.op == "MatMul" and flow.is_weight(above.inputs[1])


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


def between_floats(flow: NetworkFlow) -> FloatMarks:
    """Stands behind nodes in float with no layer near it: rounding would save nothing."""
    floats = {node for rule in OPERATOR_RULES for node in rule(flow).nodes}
    region: dict[str, list[NodeInfo]] = {}
    for node in (node for node in flow.nodes if node.id not in floats):
        above = [flow.producer.get(name) for name in flow.float_inputs(node)]
        joined = [region[each.id] for each in above if each is not None and each.id in region]
        merged = [
            node,
            *(item for members in {id(each): each for each in joined}.values() for item in members),
        ]
        region.update(dict.fromkeys((item.id for item in merged), merged))
    found: set[str] = set()
    for members in {id(each): each for each in region.values()}.values():
        makers = {flow.producer[name].id for node in members for name in _made_inputs(flow, node)}
        if makers & floats and not any(node.op in LAYERS for node in members):
            found.update(node.id for node in members)
    return FloatMarks(frozenset(found), {})


def _made_inputs(flow: NetworkFlow, node: NodeInfo) -> list[str]:
    return [name for name in flow.float_inputs(node) if name in flow.producer]


def _nodes(nodes: Iterable[NodeInfo]) -> FloatMarks:
    return FloatMarks(frozenset(node.id for node in nodes), {})


OPERATOR_RULES: tuple[Callable[[NetworkFlow], FloatMarks], ...] = (
    integers,
    coordinates,
    exponents,
    normalised_sums,
    no_integer_kernel,
)

FLOAT_RULES = (*OPERATOR_RULES, between_floats)
"""In the order in which a node's reason is looked for."""
