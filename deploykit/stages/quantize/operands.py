"""What an integer node reads as codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import NodeProto

from deploykit.analysis.integer_operators import INTEGER_OPERATORS, IntegerOperator
from deploykit.analysis.pointwise import POINTWISE
from deploykit.artifacts.precision import ACTIVATION_BITS, Scheme, is_integer
from deploykit.core.graph.index import node_id, node_reads
from deploykit.stages.quantize.prepare import PreparedSegment


@dataclass(frozen=True)
class Operands:
    """The inputs of an integer node that hold codes, by position: activations, constants, weight and bias.

    `bits` is the width of its activations.
    """

    bits: int
    activations: tuple[int, ...]
    constants: tuple[int, ...]
    weights: tuple[int, ...]
    bias: int | None


def operands_of(node: NodeProto, segment: PreparedSegment, schemes: Mapping[str, Scheme]) -> Operands | None:
    """Give what an integer node reads as codes; None for other nodes."""
    scheme = schemes.get(node_id(node), "float32")
    if not is_integer(scheme):
        return None
    operator = INTEGER_OPERATORS.get(node.op_type, IntegerOperator(data=()))
    weight = operator.weight
    data = list(operator.data or range(len(node.input)))
    if weight is not None and not segment.is_weight(node.input[weight]):
        data.append(weight)  # a layer whose weights are computed at run time
        weight = None
    numbers = [at for at in data if at < len(node.input) and segment.is_float(node.input[at])]
    constants = [at for at in numbers if segment.is_weight(node.input[at])]
    if node.op_type in POINTWISE:  # a single number belongs to the function that the chip computes
        constants = [at for at in constants if segment.count(node.input[at]) > 1]
    learned = [] if weight is None else [weight]
    if node.op_type in ("MatMul", "PRelu"):
        learned, constants = constants, []
    bias = operator.bias
    if bias is None or len(node.input) <= bias or not segment.is_weight(node.input[bias]):
        bias = None
    return Operands(
        ACTIVATION_BITS[scheme],
        tuple(at for at in numbers if not segment.is_weight(node.input[at])),
        tuple(constants),
        tuple(learned),
        bias,
    )


def bias_adds(segment: PreparedSegment, schemes: Mapping[str, Scheme]) -> dict[str, tuple[NodeProto, int]]:
    """Give, by the output of a MatMul with learned weights, the Add of its bias and where it reads it."""
    readers: dict[str, list[NodeProto]] = {}
    for node in segment.nodes:
        for name in node_reads(node):
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in segment.model.proto.graph.output}
    found = {}
    for node in segment.nodes:
        name = node.output[0] if node.output else ""
        follows = readers.get(name, [])
        if node.op_type != "MatMul" or name in outputs or len(follows) != 1 or follows[0].op_type != "Add":
            continue
        add = follows[0]
        at = 1 - list(add.input).index(name)
        pair_is_integer = all(is_integer(schemes.get(node_id(each), "float32")) for each in (node, add))
        if pair_is_integer and segment.is_weight(node.input[1]) and segment.is_weight(add.input[at]):
            size = segment.weights[node.input[1]].dims[-1]
            dims = segment.weights[add.input[at]].dims
            if len(segment.weights[node.input[1]].dims) == 2 and list(dims) == [size]:
                found[name] = (add, at)
    return found
