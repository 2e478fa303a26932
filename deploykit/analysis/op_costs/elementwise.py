"""Operators that compute each output element from the input elements at its place."""

from __future__ import annotations

from deploykit.analysis.op_costs.work import Cost, Tensors, Work, layer, size
from deploykit.artifacts.graph import NodeInfo


def per_element(simple: int = 0, *, special: int = 0) -> Cost:
    """Make the cost of a fixed number of operations per output element; inputs broadcast."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        out = size(tensors, node.outputs[0])
        return layer(node, tensors, simple=simple * out, special=special * out)

    return cost


def n_ary(node: NodeInfo, tensors: Tensors) -> Work:
    """Max, Min, Sum: one operation per output element and further operand."""
    return layer(node, tensors, simple=(len(node.inputs) - 1) * size(tensors, node.outputs[0]))


def mean(node: NodeInfo, tensors: Tensors) -> Work:
    """Mean of operands: a Sum and one multiplication."""
    return layer(node, tensors, simple=len(node.inputs) * size(tensors, node.outputs[0]))


def gelu(node: NodeInfo, tensors: Tensors) -> Work:
    """Gelu: x / 2 (1 + erf(x / sqrt 2)) takes 4 and one erf; the tanh form takes 8 and one tanh."""
    simple = 8 if node.attribute("approximate", "none") == "tanh" else 4
    return per_element(simple, special=1)(node, tensors)


def clip(node: NodeInfo, tensors: Tensors) -> Work:
    """Clip: one comparison per bound that is given; attributes in old opsets, inputs in new ones."""
    old = sum(name in ("min", "max") for name, _ in node.attributes)
    bounds = old + sum(bool(name) for name in node.inputs[1:])
    return per_element(bounds)(node, tensors)
