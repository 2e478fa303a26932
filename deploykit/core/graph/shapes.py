"""What shape and type every tensor has: ONNX's inference, helped where it stops."""

from __future__ import annotations

import onnx
from onnx import ModelProto, ValueInfoProto

from deploykit.core.graph.model import OnnxModel


def infer_shapes(model: OnnxModel) -> None:
    """Write the inferred type and shape of every tensor into the model's `value_info`."""
    model.proto = inferred(model.proto)


def inferred(proto: ModelProto) -> ModelProto:
    """Run ONNX's shape inference with data propagation; what it cannot follow keeps what was declared."""
    return onnx.shape_inference.infer_shapes(proto, check_type=False, strict_mode=False, data_prop=True)


def value_infos(model: ModelProto) -> dict[str, ValueInfoProto]:
    """Give the declared and inferred values of the main graph by name."""
    graph = model.graph
    return {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
