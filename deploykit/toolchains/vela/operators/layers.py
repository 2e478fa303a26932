"""Layers with learned weights: convolutions and matrix products."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy

from deploykit.artifacts.precision import network_name
from deploykit.toolchains.vela.lowering import Lowering, constant_codes, constant_operand
from deploykit.toolchains.vela.operators.blocks import blocked_input, blocked_weight
from deploykit.toolchains.vela.operators.windows import Window, padded, window_of
from deploykit.toolchains.vela.program import SAME, VALID, Array
from deploykit.toolchains.vela.qdq import Codes, Constant, Node


def conv(low: Lowering, node: Node) -> None:
    """Write a convolution: whole, one channel each, or group by group."""
    weight = constant_operand(node, 1)
    groups = int(node.attributes.get("group", 1))
    channels = weight.values.shape[1] * groups
    window = window_of(low, node, weight.values.shape[2:])
    if groups == 1 and max(window.strides) > low.longest_stride and window.dilations == (1, 1):
        _blocked(low, node, window)
        return
    source, mode = padded(low, node, window, low.read(node, 0, "nhwc"))
    target = low.output(node, "nhwc")
    if groups == 1:
        _conv(low, node, source, target, window, mode, slice(None))
    elif groups == channels:
        _depthwise(low, node, source, target, window, mode)
    else:
        _grouped(low, node, source, target, window, mode, groups)


def _blocked(low: Lowering, node: Node, window: Window) -> None:
    """Write a convolution whose strides are longer than the chip's."""
    source = blocked_input(low, low.read(node, 0, "nhwc"), window, node.outputs[0])
    weight = low.program.tensors[_weight(low, node, (0, 2, 3, 1), axis=0)]
    assert weight.data is not None
    data = blocked_weight(weight.data, window)
    low.program.tensors[weight.name] = dataclasses.replace(weight, shape=data.shape, data=data)
    low.emit(
        "CONV_2D",
        [source, weight.name, _bias(low, node)],
        [low.output(node, "nhwc")],
        "Conv2DOptions",
        padding=VALID,
        strideH=1,
        strideW=1,
        fusedActivationFunction=low.fused(node, low.written(node)),
    )


def _conv(
    low: Lowering, node: Node, source: str, target: str, window: Window, mode: int, rows: slice
) -> None:
    weight = _weight(low, node, (0, 2, 3, 1), axis=0, rows=rows)
    bias = _bias(low, node, rows=rows)
    low.emit(
        "CONV_2D",
        [source, weight, bias],
        [target],
        "Conv2DOptions",
        padding=mode,
        fusedActivationFunction=low.fused(node, low.written(node)),
        **window.strides_and_dilations,
    )


def _depthwise(low: Lowering, node: Node, source: str, target: str, window: Window, mode: int) -> None:
    outputs, groups = constant_operand(node, 1).values.shape[0], int(node.attributes["group"])
    weight = _weight(low, node, (1, 2, 3, 0), axis=3)
    low.emit(
        "DEPTHWISE_CONV_2D",
        [source, weight, _bias(low, node)],
        [target],
        "DepthwiseConv2DOptions",
        padding=mode,
        depthMultiplier=outputs // groups,
        fusedActivationFunction=low.fused(node, low.written(node)),
        **window.strides_and_dilations,
    )


def _grouped(
    low: Lowering, node: Node, source: str, target: str, window: Window, mode: int, groups: int
) -> None:
    pieces = [_part(low, source, groups, group) for group in range(groups)]
    axis = low.constant(f"{target}::axis", numpy.array(3, numpy.int32))
    low.emit("SPLIT", [axis, source], pieces, "SplitOptions", numSplits=groups)
    results = []
    height = constant_operand(node, 1).values.shape[0] // groups
    for group, piece in enumerate(pieces):
        result = _part(low, target, groups, group)
        rows = slice(group * height, (group + 1) * height)
        _conv(low, node, piece, result, window, mode, rows)
        results.append(result)
    low.emit("CONCATENATION", results, [target], "ConcatenationOptions", axis=3)


def _part(low: Lowering, whole: str, groups: int, group: int) -> str:
    found = low.program.tensors[whole]
    shape = (*found.shape[:3], found.shape[3] // groups)
    codes = Codes(found.scales[0], found.zero_points[0], found.dtype) if found.scales else None
    return low.tensor(f"{whole}::group{group}", shape, found.dtype, codes)


def conv_transpose(low: Lowering, node: Node) -> None:
    """Write a transposed convolution."""
    weight = constant_operand(node, 1)
    strides = [int(step) for step in node.attributes.get("strides", [1, 1])]
    source = low.read(node, 0, "nhwc")
    target = low.output(node, "nhwc")
    sizes, results = low.program.tensors[source].shape[1:3], low.program.tensors[target].shape
    same = all(size * step == result for size, step, result in zip(sizes, strides, results[1:3], strict=True))
    low.emit(
        "TRANSPOSE_CONV",
        [
            low.integers(f"{target}::shape", results),
            _weight(low, node, (1, 2, 3, 0), axis=0),
            source,
            _bias(low, node, channels=weight.values.shape[1]),
        ],
        [target],
        "TransposeConvOptions",
        padding=SAME if same else VALID,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=low.fused(node, low.written(node)),
    )


def gemm(low: Lowering, node: Node) -> None:
    """Write a matrix product with weights [out, in]."""
    transposed = bool(node.attributes.get("transB", 0))
    _dense(low, node, (0, 1) if transposed else (1, 0))


def matmul(low: Lowering, node: Node) -> None:
    """Write a matrix product: with a weight, or of two activations."""
    weight = node.inputs[1]
    if isinstance(weight, Constant) and weight.values.ndim == 2:
        _dense(low, node, (1, 0))
        return
    operands = []
    for at, operand in enumerate(node.inputs[:2]):
        if isinstance(operand, Constant):
            codes = low.written(node)
            own = constant_codes(operand.values, codes.dtype) if codes else None
            operands.append(low.encoded(operand.name, operand.values, own))
        else:
            operands.append(low.read(node, at, "nchw"))
    low.emit("BATCH_MATMUL", operands, [low.output(node, "nchw")], "BatchMatMulOptions")


def _dense(low: Lowering, node: Node, order: tuple[int, int]) -> None:
    source = low.read(node, 0, "nchw")
    target = low.output(node, "nchw")
    low.emit(
        "FULLY_CONNECTED",
        [source, _weight(low, node, order, axis=0), _bias(low, node, channels_at=order[0])],
        [target],
        "FullyConnectedOptions",
        keepNumDims=len(low.program.tensors[target].shape) != 2,
        fusedActivationFunction=low.fused(node, low.written(node)),
    )


def _weight(low: Lowering, node: Node, order: Sequence[int], *, axis: int, rows: slice | None = None) -> str:
    """Add a weight with its axes in another order; `axis` is that of its scales afterwards."""
    operand = constant_operand(node, 1)
    rows = rows or slice(None)
    own = network_name(operand.name)
    name = f"{own}::{rows.start}" if rows.start else own
    if low.written(node) is None or operand.codes is None or operand.scales is None:
        values = operand.values[rows].transpose(order).astype(numpy.float32)
        return low.tensor(name, values.shape, "float32", data=values)
    codes = operand.codes[rows].transpose(order).astype(numpy.int8)
    scales = operand.scales.reshape(-1)
    scales = scales[rows] if scales.size > 1 else scales
    return low.tensor(name, codes.shape, "int8", scales=scales.tolist(), axis=axis, data=codes)


def _bias(
    low: Lowering,
    node: Node,
    *,
    rows: slice | None = None,
    channels: int = 0,
    channels_at: int = 0,
) -> str:
    """Add the bias in steps of input scale x weight scale: int32, int64 behind 16-bit activations."""
    weight, read = constant_operand(node, 1), node.reads[0]
    count = channels or weight.values.shape[channels_at]
    given = node.inputs[2] if len(node.inputs) > 2 else None
    values: Array = given.values.reshape(-1) if isinstance(given, Constant) else numpy.zeros(count)
    values = numpy.broadcast_to(values, (count,))[rows or slice(None)]
    name = f"{node.outputs[0]}::bias"
    codes = low.codes_read(read)
    if low.written(node) is None or codes is None or weight.scales is None:
        return low.constant(name, values.astype(numpy.float32))
    own = weight.scales.reshape(-1).astype(numpy.float64)
    scales = codes.scale * (own[rows or slice(None)] if own.size > 1 else own)
    dtype = "int32" if codes.dtype == "int8" else "int64"
    data = numpy.rint(values / scales).astype(dtype)
    return low.tensor(name, data.shape, dtype, scales=scales.tolist(), data=data)
