"""Fourier transforms and windows."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.work import Cost, Tensors, Work, given, integer, layer, shape, size
from deploykit.artifacts.graph import NodeInfo


def dft(node: NodeInfo, tensors: Tensors) -> Work:
    """DFT: a fast transform takes 5 n log2(n) operations; the axis is an input since opset 20."""
    source, out = shape(tensors, node.inputs[0]), shape(tensors, node.outputs[0])
    constant = tensors[given(node, 2)].constant if given(node, 2) else None
    axis = int(constant[0]) if constant else integer(node, "axis", 1 if len(node.inputs) < 3 else -2)
    length = max(source[axis], out[axis])
    transforms = math.prod(source[:-1]) // max(source[axis], 1)
    return layer(node, tensors, simple=transforms * _fast_transform(length))


def stft(node: NodeInfo, tensors: Tensors) -> Work:
    """STFT: per frame, one multiplication by the window and one fast transform of the frame's length."""
    batch, frames, bins = shape(tensors, node.outputs[0])[:3]
    onesided = integer(node, "onesided", 1)
    length = 2 * (bins - 1) if onesided else bins
    windowed = length if given(node, 2) else 0
    return layer(node, tensors, simple=batch * frames * (windowed + _fast_transform(length)))


def window(simple: int, *, special: int) -> Cost:
    """Make the cost of a window function: cosines and their weighted sum, per output element."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        out = size(tensors, node.outputs[0])
        return layer(node, tensors, simple=simple * out, special=special * out)

    return cost


def mel_matrix(node: NodeInfo, tensors: Tensors) -> Work:
    """MelWeightMatrix: two slopes, a minimum and a maximum per element."""
    return layer(node, tensors, simple=4 * size(tensors, node.outputs[0]))


def _fast_transform(length: int) -> int:
    return 5 * length * max(1, math.ceil(math.log2(max(length, 1))))
