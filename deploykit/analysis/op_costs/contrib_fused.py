"""Fused operators of the com.microsoft domain that compute in floats: each costs what its parts cost."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs import conv as convolution
from deploykit.analysis.op_costs import matmul as product
from deploykit.analysis.op_costs.work import (
    Cost,
    Tensors,
    UnknownOption,
    Work,
    broadcast,
    given,
    integer,
    integers,
    kind,
    layer,
    shape,
    size,
    text,
    with_outputs,
)
from deploykit.artifacts.graph import NodeInfo

ACTIVATIONS = {
    "": (0, 0),
    "Identity": (0, 0),
    "Clip": (2, 0),
    "Elu": (3, 1),
    "HardSigmoid": (4, 0),
    "HardSwish": (5, 0),
    "LeakyRelu": (2, 0),
    "Relu": (1, 0),
    "Selu": (4, 1),
    "Sigmoid": (0, 1),
    "Softplus": (1, 2),
    "Softsign": (2, 1),
    "Tanh": (0, 1),
    "ThresholdedRelu": (1, 0),
}
"""Operations per element of the activations that are fused, simple and special, as of the operators alone."""

GELU_SIMPLE = 4
"""x / 2 (1 + erf(x / sqrt 2)), beside one erf."""
TANH_GELU_SIMPLE = 8
"""The tanh form, beside one tanh."""


def same_shape(simple: int = 0, *, special: int = 0, optional: int | None = None) -> Cost:
    """Make the cost of an operator whose output is like its first input: operations per element.

    `optional` is the place of an input that takes one more addition an element where it is given.
    """

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        count = size(tensors, node.inputs[0])
        extra = 1 if optional is not None and given(node, optional) else 0
        tensors = with_outputs(node, tensors, _like(node, tensors))
        return layer(node, tensors, simple=(simple + extra) * count, special=special * count)

    return cost


gelu = same_shape(GELU_SIMPLE, special=1)
bias_gelu = same_shape(GELU_SIMPLE + 1, special=1)
fast_gelu = same_shape(TANH_GELU_SIMPLE, special=1, optional=1)
quick_gelu = same_shape(2, special=1)
"""x sigmoid(alpha x)."""


def bias_split_gelu(node: NodeInfo, tensors: Tensors) -> Work:
    """BiasSplitGelu: add the bias to all, then one half times the Gelu of the other."""
    dims = shape(tensors, node.inputs[0])
    half = math.prod(dims) // 2
    output = (kind(tensors, node.inputs[0]), (*dims[:-1], dims[-1] // 2))
    tensors = with_outputs(node, tensors, output)
    return layer(node, tensors, simple=2 * half + (GELU_SIMPLE + 1) * half, special=half)


def skip_norm(simple: int, *, bias: int) -> Cost:
    """Make the cost of a residual addition and the normalisation after it; `bias` is the bias's place."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        dtype, dims = _like(node, tensors)
        count = math.prod(dims)
        moments = ("float", (*dims[:-1], 1))
        tensors = with_outputs(node, tensors, (dtype, dims), moments, moments, (dtype, dims))
        added = 1 + bool(given(node, bias))
        return layer(node, tensors, simple=(simple + added) * count, special=count)

    return cost


skip_layer_norm = skip_norm(6, bias=4)
skip_rms_norm = skip_norm(3, bias=3)
rms_norm = same_shape(3, special=1)
"""SimplifiedLayerNormalization."""


def group_norm(*, skip: int | None = None, bias: int | None = None) -> Cost:
    """Make the cost of GroupNorm or SkipGroupNorm: seven per element, then SiLU where `activation` is 1."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        dtype, dims = _like(node, tensors)
        count, silu = math.prod(dims), integer(node, "activation", 0)
        added = sum(place is not None and bool(given(node, place)) for place in (skip, bias))
        tensors = with_outputs(node, tensors, (dtype, dims), (dtype, dims))
        return layer(node, tensors, simple=(6 + added + silu) * count, special=(1 + silu) * count)

    return cost


def embed_layer_norm(node: NodeInfo, tensors: Tensors) -> Work:
    """EmbedLayerNormalization: a row of each table per token, their sum, and its LayerNormalization."""
    batch, steps = shape(tensors, node.inputs[0])
    word, position, segment = node.inputs[2], node.inputs[3], given(node, 4)
    width = shape(tensors, word)[1]
    tokens, output = batch * steps, (kind(tensors, word), (batch, steps, width))
    placed = tokens if given(node, 8) else steps
    tensors = with_outputs(node, tensors, output, ("int32", (batch,)), output)
    rows = {word: tokens, position: placed, segment: tokens}
    read = {name: min(size(tensors, name), count * width) for name, count in rows.items() if name}
    added = 2 if segment else 1
    masked = size(tensors, given(node, 7))  # finding where a mask ends: one comparison an element
    return layer(
        node,
        tensors,
        simple=(6 + added) * tokens * width + masked,
        special=tokens * width,
        partly=read,
    )


def bias_softmax(node: NodeInfo, tensors: Tensors) -> Work:
    """BiasSoftmax: one addition per element, then a Softmax."""
    return same_shape(4, special=2)(node, tensors)


def fused_conv(*, channels_last: bool = False) -> Cost:
    """Make the cost of a convolution, the residual (input 3) added to it, and its activation."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        output = (kind(tensors, node.inputs[0]), conv_shape(node, tensors, channels_last=channels_last))
        tensors = with_outputs(node, tensors, output)
        out = size(tensors, node.outputs[0])
        return _activated(node, convolution.conv(node, tensors).plus(out if given(node, 3) else 0), out)

    return cost


def nhwc_max_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """NhwcMaxPool: one comparison per element under the window."""
    dtype, dims = _like(node, tensors)
    kernel = integers(node, "kernel_shape")
    tensors = with_outputs(node, tensors, (dtype, (dims[0], *slid(node, dims[1:-1], kernel), dims[-1])))
    return layer(node, tensors, simple=math.prod(kernel) * size(tensors, node.outputs[0]))


def fused_gemm(node: NodeInfo, tensors: Tensors) -> Work:
    """FusedGemm: a Gemm and its activation."""
    first, second = (shape(tensors, name) for name in node.inputs[:2])
    rows = first[1] if integer(node, "transA", 0) else first[0]
    columns = second[0] if integer(node, "transB", 0) else second[1]
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), (rows, columns)))
    return _activated(node, product.gemm(node, tensors), rows * columns)


def fused_matmul(node: NodeInfo, tensors: Tensors) -> Work:
    """FusedMatMul: a MatMul of transposed operands, times alpha where that is not 1, then its activation."""
    first = _turned(node, shape(tensors, node.inputs[0]), "A")
    second = _turned(node, shape(tensors, node.inputs[1]), "B")
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), product_shape(first, second)))
    out = size(tensors, node.outputs[0])
    scaled = out if node.attribute("alpha", 1.0) != 1.0 else 0
    return _activated(node, layer(node, tensors, macs=out * first[-1], simple=scaled), out)


def gemm_fast_gelu(node: NodeInfo, tensors: Tensors) -> Work:
    """GemmFastGelu: a MatMul, the bias, and the tanh form of Gelu."""
    first, second = (shape(tensors, name) for name in node.inputs[:2])
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), product_shape(first, second)))
    out, bias = size(tensors, node.outputs[0]), given(node, 2)
    simple = (TANH_GELU_SIMPLE + bool(bias)) * out
    return layer(node, tensors, macs=out * first[-1], simple=simple, special=out, bias=bias)


def product_shape(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of a matrix product; batch dims broadcast."""
    columns = second[-1:] if len(second) > 1 else ()
    return (*broadcast(first[:-2], second[:-2]), *first[-2:-1], *columns)


def conv_shape(
    node: NodeInfo, tensors: Tensors, *, weight: int = 1, channels_last: bool = False
) -> tuple[int, ...]:
    """Give the shape of a convolution's output; the weight is (Cout, Cin / groups, kernel...)."""
    source, kernel = shape(tensors, node.inputs[0]), shape(tensors, node.inputs[weight])
    spatial = slid(node, source[1:-1] if channels_last else source[2:], kernel[2:])
    return (source[0], *spatial, kernel[0]) if channels_last else (source[0], kernel[0], *spatial)


def slid(node: NodeInfo, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Give how often a window fits along each axis."""
    rank = len(spatial)
    strides = integers(node, "strides", (1,) * rank)
    dilations = integers(node, "dilations", (1,) * rank)
    pads = integers(node, "pads", (0,) * 2 * rank)
    padding = text(node, "auto_pad", "NOTSET")
    if padding.startswith("SAME"):
        return tuple(-(-length // stride) for length, stride in zip(spatial, strides, strict=True))
    counts = []
    for axis, length in enumerate(spatial):
        before, after = (0, 0) if padding == "VALID" else (pads[axis], pads[axis + rank])
        room = length + before + after - dilations[axis] * (kernel[axis] - 1) - 1
        count = room // strides[axis] + 1
        if integer(node, "ceil_mode", 0) and room % strides[axis]:
            count += count * strides[axis] < length + before  # no window starts in the padding behind
        counts.append(count)
    return tuple(counts)


def _activated(node: NodeInfo, work: Work, elements: int) -> Work:
    name = text(node, "activation", "")
    if name not in ACTIVATIONS:
        raise UnknownOption("activation", name)
    simple, special = ACTIVATIONS[name]
    return work.plus(simple * elements, special=special * elements)


def _turned(node: NodeInfo, dims: tuple[int, ...], operand: str) -> tuple[int, ...]:
    """Give an operand's shape as the product reads it; transBatch moves the first axis before the last."""
    if integer(node, f"transBatch{operand}", 0):
        dims = (*dims[1:-1], dims[0], dims[-1])
    return (*dims[:-2], dims[-1], dims[-2]) if integer(node, f"trans{operand}", 0) else dims


def _like(node: NodeInfo, tensors: Tensors) -> tuple[str, tuple[int, ...]]:
    return kind(tensors, node.inputs[0]), shape(tensors, node.inputs[0])
