"""Convolutions: every output element takes one MAC per weight that reaches it (padding included)."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.sampling import LOCATION_OPS, sample_ops
from deploykit.analysis.op_costs.work import Tensors, Work, given, integer, layer, shape, size
from deploykit.artifacts.graph import NodeInfo


def conv(node: NodeInfo, tensors: Tensors) -> Work:
    """Conv: output elements x Cin / groups x kernel; the weight is (Cout, Cin / groups, kernel...)."""
    macs, bias = _macs(node, tensors, weight=1), given(node, 2)
    return layer(node, tensors, macs=macs, simple=_out(node, tensors) if bias else 0, bias=bias)


def conv_integer(node: NodeInfo, tensors: Tensors) -> Work:
    """ConvInteger: a Conv of integers; each zero point costs one subtraction per element that it shifts."""
    shifts = sum(size(tensors, given(node, at - 2)) for at in (2, 3) if given(node, at))
    return layer(node, tensors, macs=_macs(node, tensors, weight=1), simple=shifts)


def qlinear_conv(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearConv: a Conv of integers, then scale, round, shift and clip per output element."""
    bias = given(node, 8)
    simple = _out(node, tensors) * (5 if bias else 4)
    return layer(node, tensors, macs=_macs(node, tensors, weight=3), simple=simple, bias=bias)


def conv_transpose(node: NodeInfo, tensors: Tensors) -> Work:
    """ConvTranspose: input elements x Cout / groups x kernel (weight: (Cin, Cout / groups, kernel...))."""
    bias = given(node, 2)
    macs = size(tensors, node.inputs[0]) * math.prod(shape(tensors, node.inputs[1])[1:])
    return layer(node, tensors, macs=macs, simple=_out(node, tensors) if bias else 0, bias=bias)


def deform_conv(node: NodeInfo, tensors: Tensors) -> Work:
    """DeformConv: a Conv whose every input value is first sampled bilinearly at its own place."""
    weight = shape(tensors, node.inputs[1])
    out = shape(tensors, node.outputs[0])
    rank, kernel = len(weight) - 2, math.prod(weight[2:])
    places = out[0] * math.prod(out[2:]) * kernel
    locations = places * integer(node, "offset_group", 1)
    values = places * shape(tensors, node.inputs[0])[1]
    mask, bias = given(node, 4), given(node, 3)
    simple = locations * LOCATION_OPS * rank + values * (sample_ops("linear", rank) + bool(mask))
    simple += _out(node, tensors) if bias else 0
    return layer(node, tensors, macs=_macs(node, tensors, weight=1), simple=simple, bias=bias)


def causal_conv_with_state(node: NodeInfo, tensors: Tensors) -> Work:
    """CausalConvWithState: a depthwise convolution over time; each output element takes one MAC per tap."""
    bias = given(node, 2)
    taps = shape(tensors, node.inputs[1])[-1]
    out = _out(node, tensors)
    activation = out * 2 if str(node.attribute("activation", "none")) not in ("none", "") else 0
    return layer(
        node,
        tensors,
        macs=out * taps,
        simple=(out if bias else 0) + activation // 2,
        special=activation // 2,
        bias=bias,
    )


def _macs(node: NodeInfo, tensors: Tensors, *, weight: int) -> int:
    return _out(node, tensors) * math.prod(shape(tensors, node.inputs[weight])[1:])


def _out(node: NodeInfo, tensors: Tensors) -> int:
    return size(tensors, node.outputs[0])
