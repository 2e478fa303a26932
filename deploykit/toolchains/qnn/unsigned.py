"""Activations in unsigned codes: HTP has no others in 16 bits, and a shift of all codes changes no value."""

from __future__ import annotations

from pathlib import Path

import numpy
from onnx import ModelProto, numpy_helper, save_model

from deploykit.core.graph.model import OnnxModel, load_model

SHIFTS = {"int8": ("uint8", 128), "int16": ("uint16", 32768)}
WEIGHTS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""The input of a layer that holds weights: these stay signed, about zero."""

LIMIT_BYTES = 2**31 - 2**20


def write_unsigned(quantized: Path, target: Path) -> Path:
    """Write a QDQ file with unsigned activations, weights inside."""
    target.parent.mkdir(parents=True, exist_ok=True)
    save_model(unsigned(load_model(quantized)), str(target))
    return target


def unsigned(model: OnnxModel) -> ModelProto:
    """Give a copy whose activations have unsigned codes; weights and biases keep theirs."""
    proto = model.inlined(LIMIT_BYTES)
    assert proto is not None, "weights beyond protobuf's limit"
    graph = proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    layers = {
        node.input[WEIGHTS[node.op_type]]
        for node in graph.node
        if node.op_type in WEIGHTS and len(node.input) > WEIGHTS[node.op_type]
    }
    shifted: set[str] = set()
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        constant = node.op_type == "DequantizeLinear" and node.input[0] in stored
        if constant and node.output[0] in layers:
            continue
        names = (node.input[0], node.input[2]) if constant else (node.input[2],)
        for name in names:
            values = numpy_helper.to_array(stored[name])
            if name not in shifted and str(values.dtype) in SHIFTS:
                kind, shift = SHIFTS[str(values.dtype)]
                moved = (values.astype(numpy.int64) + shift).astype(kind)
                stored[name].CopyFrom(numpy_helper.from_array(moved, name))
                shifted.add(name)
    codes = {node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    kept = [value for value in graph.value_info if value.name not in codes]  # these have other types now
    del graph.value_info[:]
    graph.value_info.extend(kept)
    return proto
