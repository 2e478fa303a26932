"""Going from floats to integers and back."""

from __future__ import annotations

from deploykit.analysis.op_costs.work import Tensors, Work, layer, size
from deploykit.artifacts.graph import NodeInfo


def quantize(node: NodeInfo, tensors: Tensors) -> Work:
    """QuantizeLinear: scale, round, shift, clip."""
    return layer(node, tensors, simple=4 * size(tensors, node.inputs[0]))


def dequantize(node: NodeInfo, tensors: Tensors) -> Work:
    """DequantizeLinear: shift, scale."""
    return layer(node, tensors, simple=2 * size(tensors, node.inputs[0]))


def dynamic_quantize(node: NodeInfo, tensors: Tensors) -> Work:
    """DynamicQuantizeLinear: find minimum and maximum, then scale, round, shift, clip."""
    return layer(node, tensors, simple=6 * size(tensors, node.inputs[0]))
