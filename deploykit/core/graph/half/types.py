"""Which inputs and outputs of a node can be float16, from ONNX's own operator schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx.defs
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

FREE_OUTPUTS = ("Cast", "ConstantOfShape")
"""Operators that name their output's type in an attribute."""

NEVER = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Constant", "CastLike")


@dataclass(frozen=True)
class HalfPlaces:
    """The positions at which a node can read and write float16; all of them change together."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def half_places(node: NodeProto, opset: int, types: Mapping[str, int]) -> HalfPlaces | None:
    """Give where a node can hold float16 instead of float32, or None where it cannot.

    `types` has the element types of the tensors around it. Inputs that ONNX wants in float32 (the scales of
    Resize) are not among the places. None for subgraphs, other domains and types that are not known.
    """
    body = any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute)
    if body or node.domain not in ("", "ai.onnx") or node.op_type in NEVER:
        return None
    if not onnx.defs.has(node.op_type, domain=""):
        return None
    if any(name and not types.get(name) for name in (*node.input, *node.output)):
        return None
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    allowed = {c.type_param_str: "tensor(float16)" in c.allowed_type_strs for c in schema.type_constraints}
    read = dict(_floats(node.input, schema.inputs, types))
    written = dict(_floats(node.output, schema.outputs, types))
    inputs = tuple(at for at, symbol in read.items() if allowed.get(symbol, False))
    outputs = tuple(at for at, symbol in written.items() if allowed.get(symbol, False))
    followed = {read[at] for at in inputs}
    if any(written[at] not in followed for at in outputs) and node.op_type not in FREE_OUTPUTS:
        return None
    return HalfPlaces(inputs, outputs) if inputs or outputs else None


def _floats(
    names: Iterable[str], formal: Sequence[onnx.defs.OpSchema.FormalParameter], types: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    """Give the positions of float32 tensors with the type variable that each stands for."""
    for at, name in enumerate(names):
        if name and types.get(name) == TensorProto.FLOAT and formal:
            yield at, formal[min(at, len(formal) - 1)].type_str


def write_half(node: NodeProto) -> None:
    """Change the attribute that names the output's type from float32 to float16."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif node.op_type == "ConstantOfShape" and attribute.name == "value":
            values = numpy_helper.to_array(attribute.t).astype("float16")
            attribute.t.CopyFrom(numpy_helper.from_array(values))
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = helper.make_tensor("", TensorProto.FLOAT16, [1], [0.0])
        node.attribute.append(helper.make_attribute("value", zero))
