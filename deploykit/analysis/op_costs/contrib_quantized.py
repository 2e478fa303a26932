"""Quantized operators of the com.microsoft domain.

An operator on integers costs what it replaces: DequantizeLinear of each activation (shift, scale), the
operation, QuantizeLinear of the result (scale, round, shift, clip). A convolution or matrix product works on
the integers themselves. Weights in blocks count the bytes that are stored, with each block's scale and zero
point.
"""

from __future__ import annotations

import math
from dataclasses import replace

from deploykit.analysis.op_costs import conv as convolution
from deploykit.analysis.op_costs import matmul as product
from deploykit.analysis.op_costs.contrib_fused import conv_shape, product_shape, slid
from deploykit.analysis.op_costs.recurrent import LSTM_SIMPLE, LSTM_SPECIAL
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
    with_outputs,
)
from deploykit.artifacts.graph import NodeInfo

DEQUANTIZE = 2
QUANTIZE = 4
UNPACK = 2
"""Per weight in blocks: subtract the zero point, multiply by the scale."""
PACKED_BITS = (2, 4, 8)


def qlinear(simple: int = 0, *, special: int = 0, operands: tuple[int, ...] = (0,)) -> Cost:
    """Make the cost of an elementwise operator on integers; `operands` are their places, which broadcast."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        names = [node.inputs[at] for at in operands]
        dims = broadcast(*(shape(tensors, name) for name in names))
        tensors = with_outputs(node, tensors, (kind(tensors, names[-1]), dims))
        out = size(tensors, node.outputs[0])
        return _requantized(node, tensors, names, simple=simple * out, special=special * out)

    return cost


def qlinear_concat(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearConcat: every operand has its own scale (inputs: y's scale and zero point, then triples)."""
    names = list(node.inputs[2::3])
    shapes = [shape(tensors, name) for name in names]
    axis = integer(node, "axis", 0) % len(shapes[0])
    joined = sum(dims[axis] for dims in shapes)
    dims = (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])
    tensors = with_outputs(node, tensors, (kind(tensors, names[0]), dims))
    return _requantized(node, tensors, names)


def qlinear_where(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearWhere: one choice per element between operands of different scales."""
    condition, first, second = (node.inputs[at] for at in (0, 1, 4))
    dims = broadcast(*(shape(tensors, name) for name in (condition, first, second)))
    tensors = with_outputs(node, tensors, (kind(tensors, first), dims))
    return _requantized(node, tensors, [first, second], simple=size(tensors, node.outputs[0]))


def qlinear_global_average_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearGlobalAveragePool: one addition per element, one multiplication per channel."""
    dims = shape(tensors, node.inputs[0])
    ones = (1,) * (len(dims) - 2)
    last = integer(node, "channels_last", 0)
    dims = (dims[0], *ones, dims[-1]) if last else (*dims[:2], *ones)
    return _reduced(node, with_outputs(node, tensors, (kind(tensors, node.inputs[0]), dims)))


def qlinear_reduce_mean(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearReduceMean: one addition per element, one multiplication per mean."""
    dims = shape(tensors, node.inputs[0])
    axes = {axis % len(dims) for axis in integers(node, "axes", tuple(range(len(dims))))}
    kept = [1 if axis in axes else length for axis, length in enumerate(dims)]
    if not integer(node, "keepdims", 1):
        kept = [length for axis, length in enumerate(dims) if axis not in axes]
    return _reduced(node, with_outputs(node, tensors, (kind(tensors, node.inputs[0]), tuple(kept))))


def qlinear_average_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearAveragePool: one addition per element under the window, and one multiplication."""
    dims, kernel = shape(tensors, node.inputs[0]), integers(node, "kernel_shape")
    if integer(node, "channels_last", 0):
        pooled = (dims[0], *slid(node, dims[1:-1], kernel), dims[-1])
    else:
        pooled = (*dims[:2], *slid(node, dims[2:], kernel))
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), pooled))
    simple = (math.prod(kernel) + 1) * size(tensors, node.outputs[0])
    return _requantized(node, tensors, [node.inputs[0]], simple=simple)


def qlinear_conv(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearConv: as in the default domain, with channels last where the attribute says so."""
    last = bool(integer(node, "channels_last", 0))
    dims = conv_shape(node, tensors, weight=3, channels_last=last)
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[7]), dims))
    return convolution.qlinear_conv(node, tensors)


def qgemm(node: NodeInfo, tensors: Tensors) -> Work:
    """QGemm: M x N x K, the bias, then scale, round, shift and clip; convert and scale where y is a float."""
    first, second = shape(tensors, node.inputs[0]), shape(tensors, node.inputs[3])
    rows, inner = first[::-1] if integer(node, "transA", 0) else first
    columns = second[0] if integer(node, "transB", 0) else second[1]
    dtype = kind(tensors, given(node, 8) or node.inputs[1])
    tensors = with_outputs(node, tensors, (dtype, (rows, columns)))
    out, bias = rows * columns, given(node, 6)
    simple = out * ((QUANTIZE if given(node, 7) else DEQUANTIZE) + bool(bias))
    return layer(node, tensors, macs=out * inner, simple=simple, bias=bias)


def matmul_integer16(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMulInteger16: a MatMul of 16-bit integers."""
    return product.matmul(node, with_outputs(node, tensors, ("int32", _product(node, tensors))))


def matmul_integer_to_float(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMulIntegerToFloat: a MatMulInteger, then convert, scale and the bias per output element."""
    shifts = sum(size(tensors, node.inputs[at - 4]) for at in (4, 5) if given(node, at))
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[2]), _product(node, tensors)))
    return _float_product(node, tensors, shifts=shifts, bias=given(node, 6))


def dynamic_quantize_matmul(node: NodeInfo, tensors: Tensors) -> Work:
    """DynamicQuantizeMatMul: a DynamicQuantizeLinear of A (6 an element), then a MatMulIntegerToFloat."""
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), _product(node, tensors)))
    shifts = size(tensors, node.inputs[0]) + (size(tensors, node.inputs[1]) if given(node, 3) else 0)
    work = _float_product(node, tensors, shifts=shifts, bias=given(node, 4))
    return work.plus(6 * size(tensors, node.inputs[0]))


def dynamic_quantize_lstm(node: NodeInfo, tensors: Tensors) -> Work:
    """DynamicQuantizeLSTM: an LSTM of int8 weights (directions, inputs, 4 x hidden).

    At each step the input and the hidden state are quantized (6 an element), and both products of the four
    gates converted and scaled.
    """
    steps, batch, inputs = shape(tensors, node.inputs[0])
    directions, hidden, _ = shape(tensors, node.inputs[2])
    dtype = kind(tensors, node.inputs[0])
    last = (dtype, (directions, batch, hidden))
    tensors = with_outputs(node, tensors, (dtype, (steps, directions, batch, hidden)), last, last)
    units = steps * batch * directions * hidden
    peephole = 3 if given(node, 7) else 0
    quantized = 6 * (steps * batch * inputs + units)
    return layer(
        node,
        tensors,
        macs=units * (4 * (inputs + hidden) + peephole),
        simple=LSTM_SIMPLE * units + quantized + 4 * 2 * 2 * units,
        special=LSTM_SPECIAL * units,
        bias=given(node, 3),
    )


def matmul_nbits(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMulNBits: rows x N x K MACs; each weight is unpacked once (shift, scale); B has its stored bits."""
    inner, columns = integer(node, "K", 0), integer(node, "N", 0)
    source = shape(tensors, node.inputs[0])
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), (*source[:-1], columns)))
    out, bias = math.prod(source[:-1]) * columns, given(node, 5)
    work = layer(
        node,
        tensors,
        macs=out * inner,
        simple=UNPACK * inner * columns + (out if bias else 0),
        bias=bias,
        stored=_names(node, 2, 3),
    )
    return packed(work, node.inputs[1], integer(node, "bits", 4))


def matmul_bnb4(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMulBnb4: as MatMulNBits, with a table of 16 values (one look-up, one multiplication a weight)."""
    inner, columns = integer(node, "K", 0), integer(node, "N", 0)
    if not integer(node, "transB", 1):
        inner, columns = columns, inner
    source = shape(tensors, node.inputs[0])
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), (*source[:-1], columns)))
    weights = inner * columns
    macs = math.prod(source[:-1]) * weights
    work = layer(node, tensors, macs=macs, simple=weights, special=weights, stored=_names(node, 2))
    return packed(work, node.inputs[1], 4)


def gather_block_quantized(node: NodeInfo, tensors: Tensors) -> Work:
    """GatherBlockQuantized: rows of weights are read and unpacked (shift, scale), with the scales."""
    data, scales = node.inputs[0], node.inputs[2]
    dims, in_bytes = shape(tensors, data), kind(tensors, data) == "uint8"
    bits = integer(node, "bits", 4) if in_bytes else 0
    if in_bytes and bits not in PACKED_BITS:
        raise UnknownOption("bits", str(bits))
    each = 8 // bits if in_bytes else 1
    axis = integer(node, "gather_axis", 0) % len(dims)
    wide = (*dims[:-1], dims[-1] * each)
    result = (*wide[:axis], *shape(tensors, node.inputs[1]), *wide[axis + 1 :])
    tensors = with_outputs(node, tensors, (kind(tensors, scales), result))
    out, whole = size(tensors, node.outputs[0]), math.prod(wide)
    part = {
        name: min(size(tensors, name), -(-size(tensors, name) * out // whole))
        for name in (data, *_names(node, 2, 3))
    }
    work = layer(node, tensors, simple=UNPACK * out, partly=part, stored=_names(node, 2, 3))
    return packed(work, data, bits) if in_bytes else work


def quantize(node: NodeInfo, tensors: Tensors) -> Work:
    """QuantizeLinear: scale, round, shift, clip."""
    dtype = kind(tensors, given(node, 2)) if given(node, 2) else "uint8"
    tensors = with_outputs(node, tensors, (dtype, shape(tensors, node.inputs[0])))
    return layer(node, tensors, simple=QUANTIZE * size(tensors, node.inputs[0]))


def dequantize(node: NodeInfo, tensors: Tensors) -> Work:
    """DequantizeLinear: shift, scale."""
    output = (kind(tensors, node.inputs[1]), shape(tensors, node.inputs[0]))
    tensors = with_outputs(node, tensors, output)
    return layer(node, tensors, simple=DEQUANTIZE * size(tensors, node.inputs[0]))


def packed(work: Work, name: str, bits: int) -> Work:
    """Count packed bytes as the values that they hold, where a type of that width exists."""
    if bits not in PACKED_BITS:
        return work
    reads = (
        replace(access, dtype=f"uint{bits}", elements=access.elements * 8 // bits)
        if access.tensor == name and access.dtype == "uint8"
        else access
        for access in work.reads
    )
    return replace(work, reads=tuple(reads))


def _requantized(
    node: NodeInfo, tensors: Tensors, operands: list[str], *, simple: int = 0, special: int = 0
) -> Work:
    """Make the work between dequantized operands and a quantized result; weights are dequantized before."""
    moving = [name for name in operands if not tensors[name].is_weight]
    shifted = DEQUANTIZE * sum(size(tensors, name) for name in moving)
    scaled = QUANTIZE * size(tensors, node.outputs[0])
    return layer(node, tensors, simple=shifted + simple + scaled, special=special)


def _reduced(node: NodeInfo, tensors: Tensors) -> Work:
    simple = size(tensors, node.inputs[0]) + size(tensors, node.outputs[0])
    return _requantized(node, tensors, [node.inputs[0]], simple=simple)


def _float_product(node: NodeInfo, tensors: Tensors, *, shifts: int, bias: str) -> Work:
    out = size(tensors, node.outputs[0])
    macs = out * shape(tensors, node.inputs[0])[-1]
    return layer(node, tensors, macs=macs, simple=shifts + out * (DEQUANTIZE + bool(bias)), bias=bias)


def _product(node: NodeInfo, tensors: Tensors) -> tuple[int, ...]:
    return product_shape(shape(tensors, node.inputs[0]), shape(tensors, node.inputs[1]))


def _names(node: NodeInfo, *places: int) -> tuple[str, ...]:
    return tuple(given(node, at) for at in places if given(node, at))
