"""The lowest IR version that a model's features need, so that old runtimes load what is written."""

from __future__ import annotations

import onnx
from onnx import ModelProto, TensorProto

from deploykit.core.graph.external import all_tensors
from deploykit.core.graph.index import all_graphs

FLOOR = 8
"""Loaded by every runtime since onnxruntime 1.10, and enough for opset 18 with functions."""

_BY_TYPE: dict[int, int] = {
    TensorProto.FLOAT8E4M3FN: 9,
    TensorProto.FLOAT8E4M3FNUZ: 9,
    TensorProto.FLOAT8E5M2: 9,
    TensorProto.FLOAT8E5M2FNUZ: 9,
    TensorProto.UINT4: 10,
    TensorProto.INT4: 10,
    TensorProto.FLOAT4E2M1: 11,
    TensorProto.FLOAT8E8M0: 12,
    TensorProto.UINT2: 13,
    TensorProto.INT2: 13,
}


def lowest_ir_version(model: ModelProto) -> int:
    """Give the lowest IR version for a model's opset and element types; never above the installed onnx's
    own."""
    needed = {FLOOR, _for_opset(model)}
    needed.update(_BY_TYPE.get(tensor.data_type, FLOOR) for tensor in all_tensors(model.graph))
    for graph in all_graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            needed.add(_BY_TYPE.get(value.type.tensor_type.elem_type, FLOOR))
        if any(node.metadata_props for node in graph.node):
            needed.add(10)
    return min(max(needed), onnx.IR_VERSION)


def _for_opset(model: ModelProto) -> int:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    return next((row[1] for row in onnx.helper.VERSION_TABLE if row[2] >= opset), onnx.IR_VERSION)
