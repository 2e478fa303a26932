"""Scales of all weights of a network, so that a weight has the same codes wherever it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy
from onnx import NodeProto, helper

from deploykit.analysis.affine import Affine, Array, channel_scales, scales_that_hold
from deploykit.analysis.integer_operators import weight_axis
from deploykit.artifacts.precision import Scheme
from deploykit.stages.quantize.placement import operands_of
from deploykit.stages.quantize.prepare import PreparedSegment


@dataclass(frozen=True)
class WeightUse:
    """A weight and the axis along which its channels have scales of their own."""

    name: str
    axis: int | None


def weight_use(node: NodeProto, at: int, segment: PreparedSegment, *, per_channel: bool) -> WeightUse:
    """Say how a node uses the weight that is its input `at`."""
    name = node.input[at]
    if not per_channel or at == 0:
        return WeightUse(name, None)
    shape = tuple(segment.weights[name].dims)
    axis = weight_axis(
        node.op_type, shape, group=_attribute(node, "group", 1), trans_b=_attribute(node, "transB", 0)
    )
    return WeightUse(name, axis)


def weight_scales(
    prepared: Iterable[PreparedSegment],
    schemes: Mapping[str, Scheme],
    parameters: Mapping[str, Affine],
    *,
    per_channel: bool,
) -> dict[WeightUse, Array]:
    """Give the scales of each weight, large enough for the biases of all layers that use it."""
    found: dict[WeightUse, Array] = {}
    for segment in prepared:
        for node in segment.nodes:
            operands = operands_of(node, segment, schemes)
            for at in operands.weights if operands else ():
                use = weight_use(node, at, segment, per_channel=per_channel)
                scales = found.get(use)
                if scales is None:
                    scales = channel_scales(segment.array(use.name), use.axis)
                if operands is not None and operands.bias is not None:
                    scales = _holding_bias(scales, node, operands.bias, segment, parameters, use)
                found[use] = scales
    return found


def _holding_bias(
    scales: Array,
    node: NodeProto,
    bias: int,
    segment: PreparedSegment,
    parameters: Mapping[str, Affine],
    use: WeightUse,
) -> Array:
    if not bias_fits(node, bias, segment):
        return scales
    needed = scales_that_hold(segment.array(node.input[bias]).reshape(-1), parameters[node.input[0]].scale)
    per_weight = needed.max(initial=0.0) if use.axis is None else _by_weight_channel(needed, scales.size)
    return numpy.maximum(scales, per_weight).astype(numpy.float32)


def _by_weight_channel(values: Array, channels: int) -> Array:
    """Fold values of output channels onto the weight's channels (a grouped ConvTranspose repeats them)."""
    return numpy.asarray(values.reshape(-1, channels).max(axis=0))


def bias_fits(node: NodeProto, bias: int, segment: PreparedSegment) -> bool:
    """Say whether a bias is one value a channel that is added as it is, so that it can become int32 codes."""
    dims = segment.weights[node.input[bias]].dims
    scaled = any(a.name in ("alpha", "beta") and helper.get_attribute_value(a) != 1.0 for a in node.attribute)
    channels = _channels(node, segment)
    return len(dims) == 1 and dims[0] == channels and not scaled


def bias_scales(scales: Array, activation_scale: float, channels: int) -> Array:
    """Give the scale of each output channel's bias: activation scale x weight scale, in float32."""
    repeated = scales if scales.ndim == 0 else numpy.tile(scales, channels // scales.size)
    return (numpy.float32(activation_scale) * repeated).astype(numpy.float32)


def _channels(node: NodeProto, segment: PreparedSegment) -> int:
    """Give the number of a layer's output channels; -1 where its weight is no initializer."""
    weight = segment.weights.get(node.input[1])
    if weight is None:
        return -1
    if node.op_type == "ConvTranspose":
        return int(weight.dims[1]) * _attribute(node, "group", 1)
    if node.op_type == "Gemm":
        return int(weight.dims[0 if _attribute(node, "transB", 0) else 1])
    return int(weight.dims[0])


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)
