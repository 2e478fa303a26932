"""Pooling, reductions and scans: many elements in, one out."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.work import Cost, Tensors, Work, integer, integers, layer, size
from deploykit.artifacts.graph import NodeInfo


def reduce(simple: int = 1, *, special: int = 0, last: int = 0, last_special: int = 0) -> Cost:
    """Make the cost of a reduction: operations per input element, then `last` ones per output element."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        before, after = size(tensors, node.inputs[0]), size(tensors, node.outputs[0])
        return layer(
            node,
            tensors,
            simple=simple * before + last * after,
            special=special * before + last_special * after,
        )

    return cost


def max_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """MaxPool: one comparison per element under the window."""
    return layer(node, tensors, simple=_window(node) * size(tensors, node.outputs[0]))


def average_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """AveragePool: one addition per element under the window, and one multiplication."""
    return layer(node, tensors, simple=(_window(node) + 1) * size(tensors, node.outputs[0]))


def lp_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """LpPool: one power and one addition per element under the window, and one root."""
    out, window = size(tensors, node.outputs[0]), _window(node)
    powers = 0 if integer(node, "p", 2) == 2 else window  # a square is one multiplication
    return layer(node, tensors, simple=(2 * window - powers) * out, special=(powers + 1) * out)


def scan(node: NodeInfo, tensors: Tensors) -> Work:
    """CumSum, CumProd: one operation per element."""
    return layer(node, tensors, simple=size(tensors, node.inputs[0]))


def _window(node: NodeInfo) -> int:
    return math.prod(integers(node, "kernel_shape"))
