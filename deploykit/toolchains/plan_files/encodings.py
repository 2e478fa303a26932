"""Read the scales of a quantized segment back from its QDQ graph."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy
from onnx import NodeProto, TensorProto, helper

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import network_name
from deploykit.core.dtypes import dtype_name
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.store import Reader


def read_encodings(segment: Segment, known: Collection[str], reader: Reader) -> tuple[Encoding, ...]:
    """Give the encodings of all activations and weights, by the float network's names (`known`).

    The width in which a tensor is stored stands before others that its readers take. Biases (int32) follow
    from their layer's scales and are left out.
    """
    model = load_model(reader.folder(segment.files) / segment.files[0].name)
    tensors = {tensor.name: tensor for tensor in model.proto.graph.initializer}
    found: list[tuple[bool, Encoding]] = []
    for node in model.proto.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        encoding = _encoding(node, model, tensors, known)
        if encoding.bits < 32:
            found.append((encoding.tensor != node.output[0], encoding))
    found.sort(key=lambda pair: pair[0])  # stable: the order of the graph otherwise
    return tuple(dict.fromkeys(encoding for _, encoding in found))


def _encoding(
    node: NodeProto, model: OnnxModel, tensors: dict[str, TensorProto], known: Collection[str]
) -> Encoding:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    scales = model.array(tensors[node.input[1]])
    zero_points = tensors[node.input[2]]
    blocks = attributes.get("block_size", 0)
    return Encoding(
        tensor=_float_name(node.output[0], known),
        kind="weight" if node.input[0] in tensors else "activation",
        dtype=dtype_name(zero_points.data_type),
        scales=tuple(float(scale) for scale in scales.ravel()),
        zero_points=tuple(int(zero) for zero in model.array(zero_points).astype(numpy.int64).ravel()),
        shape=scales.shape,
        axis=attributes.get("axis", 1) if scales.shape else None,
        block=blocks or None,
    )


def _float_name(name: str, known: Collection[str]) -> str:
    """Give the float network's name; a weight's second use has a number behind it."""
    base = network_name(name)
    return base if base in known else re.sub(r"::\d+$", "", base)
