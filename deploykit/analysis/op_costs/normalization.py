"""Normalisations and softmax, counted per element as they would be written down (source: LLM-Viewer's table).

LayerNorm: sum, subtract, square, sum, add, scale, shift; RMSNorm lacks sum, subtract, shift. Softmax: max,
subtract, exp, sum, divide. What happens once per row (the root of a variance) is left out: it is one in
hundreds.
"""

from __future__ import annotations

from deploykit.analysis.op_costs.work import Tensors, Work, integer, layer, size
from deploykit.artifacts.graph import NodeInfo


def batch_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """BatchNormalization at inference: one multiplication and one addition per element."""
    return layer(node, tensors, simple=2 * _elements(node, tensors))


def layer_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """LayerNormalization, InstanceNormalization, GroupNormalization: seven per element, one a division."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=6 * count, special=count)


def rms_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """RMSNormalization: square, sum, divide, scale."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=3 * count, special=count)


def mean_variance_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """MeanVarianceNormalization: sum, subtract, square, sum, divide."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=4 * count, special=count)


def lp_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """LpNormalization: power, sum, divide."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=2 * count, special=count)


def lrn(node: NodeInfo, tensors: Tensors) -> Work:
    """LRN: square, sum over the window, scale, add, then a power and a division."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=(integer(node, "size", 1) + 2) * count, special=2 * count)


def softmax(node: NodeInfo, tensors: Tensors) -> Work:
    """Softmax: max, subtract, exp, sum, divide."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=3 * count, special=2 * count)


def log_softmax(node: NodeInfo, tensors: Tensors) -> Work:
    """LogSoftmax: max, subtract, exp, sum, subtract."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=4 * count, special=count)


def hardmax(node: NodeInfo, tensors: Tensors) -> Work:
    """Hardmax: find the maximum, then compare with it."""
    return layer(node, tensors, simple=2 * _elements(node, tensors))


def cross_entropy(node: NodeInfo, tensors: Tensors) -> Work:
    """SoftmaxCrossEntropyLoss: a LogSoftmax, then the sum over the labels' entries."""
    count = _elements(node, tensors)
    return layer(node, tensors, simple=5 * count, special=count)


def negative_log_likelihood(node: NodeInfo, tensors: Tensors) -> Work:
    """NegativeLogLikelihoodLoss: weigh and sum the labels' entries."""
    labels = size(tensors, node.inputs[1])
    return layer(node, tensors, simple=2 * labels, partly={node.inputs[0]: labels})


def _elements(node: NodeInfo, tensors: Tensors) -> int:
    return size(tensors, node.inputs[0])
