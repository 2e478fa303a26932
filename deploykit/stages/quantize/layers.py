"""The layers whose weights are rounded, and how many of a layer's weights share a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import NodeProto, helper

from deploykit.analysis.affine import Affine, Array
from deploykit.analysis.integer_operators import weight_axis
from deploykit.analysis.rounding.forms import LayerForm
from deploykit.artifacts.precision import (
    WEIGHT_BITS,
    Granularity,
    Scheme,
    default_granularity,
)
from deploykit.core.graph.index import node_id
from deploykit.stages.quantize.operands import Operands, bias_adds, operands_of
from deploykit.stages.quantize.placement import Placement
from deploykit.stages.quantize.prepare import PreparedSegment

Parameters = Mapping[tuple[str, int], Affine]
"""Scale and zero point of each rounded tensor at each width."""


@dataclass(frozen=True)
class WeightUse:
    """A weight in one integer form, whichever nodes read it; without `block`: a scale a channel, or one."""

    name: str
    form: LayerForm
    bits: int
    block: int | None = None

    @property
    def axis(self) -> int | None:
        """The axis that DequantizeLinear has scales along."""
        return self.form.axis if self.block is None else self.form.inputs_at


@dataclass(frozen=True)
class Layer:
    """A node with learned weights: what it reads, and where its bias is.

    `bias` is a node and the input of it that is (or can become) one number for each of `channels` outputs:
    the layer itself, or the Add behind a MatMul.
    """

    node: NodeProto
    segment: PreparedSegment
    use: WeightUse
    operands: Operands
    channels: int
    bias: tuple[NodeProto, int] | None

    @property
    def id(self) -> str:
        """The node's id."""
        return node_id(self.node)

    @property
    def source(self) -> str:
        """The activation that the weights are multiplied with."""
        return str(self.node.input[1 - list(self.node.input[:2]).index(self.use.name)])

    def bias_values(self) -> Array:
        """Give the bias, zeros where there is none yet."""
        if (
            self.bias is None
            or len(self.bias[0].input) <= self.bias[1]
            or not self.bias[0].input[self.bias[1]]
        ):
            return numpy.zeros(self.channels, numpy.float32)
        return self.segment.array(self.bias[0].input[self.bias[1]]).reshape(-1)

    def source_scale(self, parameters: Parameters, placement: Placement) -> float | None:
        """Give the scale of what the layer reads; None where it reads no codes."""
        width = placement.width(self.source, self.operands.bits)
        affine = parameters.get((self.source, width))
        return None if affine is None else affine.scale


def find_layers(
    prepared: Sequence[PreparedSegment],
    schemes: Mapping[str, Scheme],
    granularities: Mapping[str, Granularity],
    *,
    per_channel: bool,
) -> list[Layer]:
    """Give all layers of the network in execution order."""
    found = []
    for segment in prepared:
        adds = bias_adds(segment, schemes)
        for node in segment.nodes:
            operands = operands_of(node, segment, schemes)
            for at in operands.weights if operands else ():
                assert operands is not None
                scheme = schemes[node_id(node)]
                granularity = granularities.get(node_id(node), default_granularity(scheme))
                use = weight_use(node, at, segment, scheme, granularity if per_channel else "tensor")
                channels = output_channels(node, segment)
                bias = _bias_place(node, operands, segment, adds.get(node.output[0]), channels)
                found.append(Layer(node, segment, use, operands, channels, bias))
    return found


def weight_use(
    node: NodeProto, at: int, segment: PreparedSegment, scheme: Scheme, granularity: Granularity
) -> WeightUse:
    """Say how a node uses the weight that is its input `at`.

    A layer with no more input channels than a block has, and one that weighs no inputs, has a scale for each
    channel. So have 8-bit weights of a Conv on 8-bit activations: onnxruntime's integer kernel fails on their
    blocks.
    """
    name = node.input[at]
    shape = tuple(segment.weights[name].dims)
    group, trans_b = attribute(node, "group", 1), attribute(node, "transB", 0)
    rows = weight_axis(node.op_type, shape, group=group, trans_b=trans_b) if at else None
    weighs = node.op_type in ("Conv", "Gemm", "MatMul")
    axis = None if granularity == "tensor" else rows
    form = LayerForm(shape, rows if weighs else None, axis, group if node.op_type == "Conv" else 1)
    fails = node.op_type == "Conv" and scheme == "w8a8"
    if isinstance(granularity, int) and form.rows is not None and granularity < shape[form.inputs_at]:
        return WeightUse(name, form, WEIGHT_BITS[scheme], None if fails else granularity)
    return WeightUse(name, form, WEIGHT_BITS[scheme])


def _bias_place(
    node: NodeProto,
    operands: Operands,
    segment: PreparedSegment,
    add: tuple[NodeProto, int] | None,
    channels: int,
) -> tuple[NodeProto, int] | None:
    if add is not None:
        return add
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm") or _scaled(node):
        return None
    if len(node.input) <= 2 or not node.input[2]:
        return node, 2
    dims = segment.weights[node.input[2]].dims if operands.bias == 2 else ()
    return (node, 2) if list(dims) == [channels] else None


def _scaled(node: NodeProto) -> bool:
    return any(a.name in ("alpha", "beta") and helper.get_attribute_value(a) != 1.0 for a in node.attribute)


def output_channels(node: NodeProto, segment: PreparedSegment) -> int:
    """Give the number of a layer's output channels; -1 where its weight is no initializer."""
    weight = segment.weights.get(node.input[1])
    if weight is None:
        return -1
    if node.op_type == "ConvTranspose":
        return int(weight.dims[1]) * attribute(node, "group", 1)
    if node.op_type == "Gemm":
        return int(weight.dims[0 if attribute(node, "transB", 0) else 1])
    return int(weight.dims[-1 if node.op_type == "MatMul" else 0])


def attribute(node: NodeProto, name: str, default: int) -> int:
    """Give an integer attribute."""
    return next((int(found.i) for found in node.attribute if found.name == name), default)
