"""Functions of single values, and sums and products of two tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy

from deploykit.core.errors import Fault, InputError
from deploykit.toolchains.vela.lowering import Lowering, constant_codes, constant_operand, within
from deploykit.toolchains.vela.program import NONE, RELU6, VALID, Array, Layout
from deploykit.toolchains.vela.qdq import Codes, Constant, Node, Read, bounds_of

OPTIONS = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
}

FIXED: dict[tuple[str, str], Codes] = {
    ("LOGISTIC", "int8"): Codes(1 / 256, -128, "int8"),
    ("LOGISTIC", "int16"): Codes(1 / 32768, 0, "int16"),
    ("SOFTMAX", "int8"): Codes(1 / 256, -128, "int8"),
    ("SOFTMAX", "int16"): Codes(1 / 32768, 0, "int16"),
    ("TANH", "int8"): Codes(1 / 128, 0, "int8"),
    ("TANH", "int16"): Codes(1 / 32768, 0, "int16"),
}
"""Results whose codes LiteRT's kernels fix."""


def binary(low: Lowering, node: Node) -> None:
    """Write Add, Sub, Mul, Div by a constant, Max or Min."""
    code = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "MUL", "Max": "MAXIMUM", "Min": "MINIMUM"}[
        node.op
    ]
    layout: Layout = "nchw"
    if any(low.layout_of(read) == "nhwc" for read in node.reads):
        layout = "nhwc"
    codes = low.written(node)
    same = codes if code in ("MAXIMUM", "MINIMUM") else None
    rank = len(low.shape(node.outputs[0]))
    operands = []
    for at, operand in enumerate(node.inputs):
        if isinstance(operand, Constant):
            values = low.broadcast(operand, rank, layout)
            values = 1 / values if node.op == "Div" else values
            own = same or (constant_codes(values, codes.dtype) if codes else None)
            operands.append(low.encoded(operand.name, values, own))
        else:
            operands.append(_ranked(low, node, at, rank, layout, same))
    combine(low, node, code, operands, low.output(node, layout), low.fused(node, codes))


def _ranked(low: Lowering, node: Node, at: int, rank: int, layout: Layout, codes: Codes | None) -> str:
    """Give an activation with as many axes as the result has."""
    read = node.inputs[at]
    assert isinstance(read, Read)
    shape = low.shape(read.root)
    if len(shape) == rank:
        return low.read(node, at, layout, codes)
    source = low.read(node, at, "nchw", codes)
    found = low.program.tensors[source]
    wide: Array = numpy.array([1] * (rank - len(shape)) + list(shape))
    wide = wide[[0, 2, 3, 1]] if layout == "nhwc" and rank == 4 else wide
    own = Codes(found.scales[0], found.zero_points[0], found.dtype) if found.scales else None
    target = low.tensor(f"{source}::wide", [int(size) for size in wide], found.dtype, own)
    low.reshape(source, target)
    return target


def combine(
    low: Lowering, node: Node, code: str, operands: list[str], target: str, activation: int = NONE
) -> None:
    """Write one of two operands; 16-bit sums take any scales, not powers of two alone."""
    del node
    values: dict[str, Any] = {}
    if code in ("ADD", "SUB", "MUL"):
        values["fusedActivationFunction"] = activation
    if code in ("ADD", "SUB"):
        values["potScaleInt16"] = False
    low.emit(code, operands, [target], OPTIONS[code], **values)


def clip(low: Lowering, node: Node) -> None:
    """Write Relu or Clip: as one of the schema's, as other codes, or as a maximum and a minimum."""
    least, most = bounds_of(node)
    named = {(0.0, math.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
    layout = low.layout_of(node.reads[0])
    codes = low.written(node)
    source = low.read(node, 0, layout)
    if (least, most) in named:
        low.emit(named[least, most], [source], [low.output(node, layout)])
        return
    if codes is not None and within(codes, least, most):
        low.emit("QUANTIZE", [source], [low.output(node, layout)], "QuantizeOptions")
        return
    source = low.read(node, 0, layout, codes)
    shape = [1] * len(low.shape(node.outputs[0]))
    for code, bound in (("MAXIMUM", least), ("MINIMUM", most)):
        if math.isfinite(bound):
            limit = low.encoded(f"{node.outputs[0]}::bound", numpy.full(shape, bound), codes)
            last = code == "MINIMUM" or not math.isfinite(most)
            found = low.program.tensors[source]
            target = (
                low.output(node, layout)
                if last
                else low.tensor(f"{node.outputs[0]}::least", found.shape, found.dtype, codes)
            )
            low.emit(code, [source, limit], [target], OPTIONS[code])
            source = target


RANGES = {"HardSwish": (-3.0, 3.0), "Sigmoid": (-6.0, 6.0), "Tanh": (-3.0, 3.0), "Gelu": (-3.0, 3.0)}
"""Outside, a function is flat or its argument itself (up to 0.0025 of a Sigmoid's 1)."""


def derive_codes(low: Lowering, node: Node) -> None:
    """Give the argument of a function codes where nothing was rounded before it: those that matter to it."""
    read = node.inputs[0]
    if not isinstance(read, Read) or low.codes_read(read) or node.op not in (*RANGES, "HardSigmoid"):
        return
    codes = low.codes_written(node.outputs[0])
    if codes is None:
        return
    least, most = _range(node)
    if node.op in ("HardSwish", "Gelu"):
        most = max(most, codes.high)
    ends = numpy.array([least, most])
    low.derive(read.root, constant_codes(ends, codes.dtype))
    low.program.notices.append(
        f"{read.root} has no scale of its own: it gets {least:g} to {most:g}, beyond which {node.op} "
        "does not change; a chip profile whose `fuses` lacks it measures one"
    )


def _range(node: Node) -> tuple[float, float]:
    if node.op != "HardSigmoid":
        return RANGES[node.op]
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    return -beta / alpha, (1 - beta) / alpha


def lookup(low: Lowering, node: Node) -> None:
    """Write a function of one value that has an operator of its own."""
    code, options, values = _function(node)
    layout = low.layout_of(node.reads[0])
    written = low.written(node)
    fixed = FIXED.get((code, written.dtype)) if written else None
    source = low.read(node, 0, layout)
    low.emit(code, [source], [low.output(node, layout, codes=fixed)], options, **values)


def _function(node: Node) -> tuple[str, str, dict[str, Any]]:
    if node.op == "LeakyRelu":
        return "LEAKY_RELU", "LeakyReluOptions", {"alpha": float(node.attributes.get("alpha", 0.01))}
    if node.op == "Gelu":
        return "GELU", "GeluOptions", {"approximate": node.attributes.get("approximate", b"none") == b"tanh"}
    return {
        "Sigmoid": ("LOGISTIC", "", {}),
        "Tanh": ("TANH", "", {}),
        "HardSwish": ("HARD_SWISH", "HardSwishOptions", {}),
        "Elu": ("ELU", "", {}),
        "Exp": ("EXP", "ExpOptions", {}),
        "Abs": ("ABS", "AbsOptions", {}),
        "Neg": ("NEG", "NegOptions", {}),
    }[node.op]


def hard_swish(low: Lowering, node: Node) -> None:
    """Write HardSwish; LiteRT has none in 16 bits: x * relu6(x + 3), then / 6, there."""
    codes = low.written(node)
    if codes is None or codes.dtype == "int8":
        lookup(low, node)
        return
    layout = low.layout_of(node.reads[0])
    source = low.read(node, 0, layout)
    shape, root = low.program.tensors[source].shape, node.outputs[0]
    ones = [1] * len(shape)
    six = Codes(6 / 32767, 0, "int16")
    gate = low.tensor(f"{root}::gate", shape, "int16", six)
    three = low.encoded(f"{root}::three", numpy.full(ones, 3.0), Codes(3 / 32767, 0, "int16"))
    combine(low, node, "ADD", [source, three], gate, RELU6)
    product = low.tensor(f"{root}::product", shape, "int16", Codes(6 * codes.scale, 0, "int16"))
    combine(low, node, "MUL", [source, gate], product)
    sixth = low.encoded(f"{root}::sixth", numpy.full(ones, 1 / 6), Codes(1 / 6 / 32767, 0, "int16"))
    combine(low, node, "MUL", [product, sixth], low.output(node, layout))


def hard_sigmoid(low: Lowering, node: Node) -> None:
    """Write clamp(alpha x + beta) as a depthwise layer whose codes end at 0 and 1.

    Raises:
        InputError: a result whose codes hold more than 0 to 1.
    """
    codes, read = low.written(node), node.reads[0]
    if codes is None:
        raise InputError(Fault(f"node {node.name!r}", "HardSigmoid in float has no TensorFlow Lite operator"))
    shape, source = low.shape(read.root), low.read(node, 0, low.layout_of(read))
    layout = low.layout_of(read)
    deep = low.program.tensors[source].shape[-1] if len(shape) > 1 else shape[0]
    flat = (1, -(-math.prod(shape) // deep), 1, deep)
    before = Codes(*_codes_of(low, source))
    image = low.tensor(f"{node.outputs[0]}::image", flat, before.dtype, before)
    low.reshape(source, image)
    alpha = float(node.attributes.get("alpha", 0.2))
    scale = numpy.float32(alpha / 127)
    data = numpy.full((1, 1, 1, deep), 127, numpy.int8)
    weight = low.tensor(f"{node.outputs[0]}::alpha", data.shape, "int8", scales=[float(scale)], data=data)
    step = before.scale * float(scale)
    kind = "int32" if before.dtype == "int8" else "int64"
    beta = numpy.full(deep, round(float(node.attributes.get("beta", 0.5)) / step)).astype(kind)
    bias = low.tensor(f"{node.outputs[0]}::beta", (deep,), kind, scales=[step], data=beta)
    unit = Codes(1 / 255, -128, "int8") if codes.dtype == "int8" else Codes(1 / 32767, 0, "int16")
    kept = unit if codes.dtype == "int16" or not within(codes, 0.0, 1.0) else codes
    result = low.tensor(f"{node.outputs[0]}::flat", flat, kept.dtype, kept)
    low.emit(
        "DEPTHWISE_CONV_2D",
        [image, weight, bias],
        [result],
        "DepthwiseConv2DOptions",
        padding=VALID,
        strideH=1,
        strideW=1,
        depthMultiplier=1,
        fusedActivationFunction=0 if kept.dtype == "int8" else 1,
    )
    low.reshape(result, low.output(node, layout, codes=kept))


def _codes_of(low: Lowering, tensor: str) -> tuple[float, int, str]:
    found = low.program.tensors[tensor]
    return found.scales[0], found.zero_points[0], found.dtype


def prelu(low: Lowering, node: Node) -> None:
    """Write PRelu with a slope a channel."""
    layout = low.layout_of(node.reads[0])
    codes = low.written(node)
    slopes = low.broadcast(constant_operand(node, 1), len(low.shape(node.outputs[0])), layout)[0]
    own = constant_codes(slopes, codes.dtype) if codes else None
    slope = low.encoded(constant_operand(node, 1).name, slopes, own)
    low.emit("PRELU", [low.read(node, 0, layout), slope], [low.output(node, layout)])


def softmax(low: Lowering, node: Node) -> None:
    """Write Softmax over the last axis, or over the channels of an image."""
    rank = len(low.shape(node.outputs[0]))
    axis = int(node.attributes.get("axis", -1)) % rank
    layout: Layout = "nhwc" if rank == 4 and axis == 1 else "nchw"
    written = low.written(node)
    fixed = FIXED["SOFTMAX", written.dtype] if written else None
    low.emit(
        "SOFTMAX",
        [low.read(node, 0, layout)],
        [low.output(node, layout, codes=fixed)],
        "SoftmaxOptions",
        beta=1.0,
    )
