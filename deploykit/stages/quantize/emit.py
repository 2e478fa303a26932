"""Write a segment in QDQ form: the float graph, with Q and DQ nodes where values are rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy
from onnx import NodeProto, TensorProto, helper, numpy_helper

from deploykit.analysis.affine import Affine, Array, affine_for_range, bias_codes, code_type
from deploykit.artifacts.precision import Scheme
from deploykit.core.dtypes import numpy_dtype
from deploykit.core.graph.index import node_id, node_reads
from deploykit.core.graph.ir_version import lowest_ir_version
from deploykit.core.graph.model import OnnxModel
from deploykit.stages.quantize.layers import Layer, Parameters, WeightUse
from deploykit.stages.quantize.operands import Operands, operands_of
from deploykit.stages.quantize.placement import Placement
from deploykit.stages.quantize.prepare import PreparedSegment
from deploykit.stages.quantize.weights import RoundedWeight, bias_scales


class Emitter:
    """Builds one segment's quantized graph; see `artifacts.precision` for the tensors' names.

    A rounded tensor `t` that is stored in integers is written as `t::float` -> `t::codes` -> `t`; where `t`
    has to stay (an input of the graph, a tensor stored as float), and for readers on fewer bits, there is
    `t::rounded` beside it.
    """

    def __init__(
        self,
        segment: PreparedSegment,
        placement: Placement,
        parameters: Parameters,
        layers: Sequence[Layer],
        weights: Mapping[WeightUse, RoundedWeight],
        corrections: Mapping[str, Array],
        schemes: Mapping[str, Scheme],
        *,
        activation_type: Literal["int8", "uint8"],
    ) -> None:
        self._segment = segment
        self._placement = placement
        self._parameters = parameters
        self._layers = {layer.id: layer for layer in layers}
        self._layer_of_bias = {layer.bias[0].output[0]: layer for layer in layers if layer.bias is not None}
        self._weights = weights
        self._corrections = corrections
        self._schemes = schemes
        self._activation_type = activation_type
        graph = segment.model.proto.graph
        self._inputs = {value.name for value in graph.input}
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)} | set(
            segment.weights
        )
        self._node_names = {node.name for node in graph.node}
        self._nodes: list[NodeProto] = []
        self._new_weights: dict[str, TensorProto] = {}
        self._dequantized: dict[tuple[object, object], str] = {}

    def model(self) -> OnnxModel:
        """Give the quantized segment; inputs and outputs keep their names and types."""
        result = self._segment.model.copy()
        graph = result.proto.graph
        for value in graph.input:
            for bits in self._placement.widths.get(value.name, ()):
                self._round(value.name, value.name, _rounded_name(value.name, bits), bits)
        for node in self._segment.nodes:
            self._emit(node)
        del graph.node[:]
        graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node_reads(node)} | {
            value.name for value in graph.output
        }
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend([*kept, *self._new_weights.values()])
        result.proto.ir_version = lowest_ir_version(result.proto)
        return result

    def _emit(self, source: NodeProto) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        operands = operands_of(source, self._segment, self._schemes)
        if operands is not None:
            self._quantize_operands(source, node, operands)
        for at, name in enumerate(source.input):
            if operands is None or at not in operands.activations:
                node.input[at] = self._float_view(node.input[at], name)
        for at, name in enumerate(node.output):
            if name in self._placement.stored:
                node.output[at] = self._free(f"{name}::float")
        self._nodes.append(node)
        for at, name in enumerate(source.output):
            for bits in self._placement.widths.get(name, ()):
                if self._placement.stored.get(name) == bits:
                    self._round(name, node.output[at], name, bits)
                else:
                    self._round(name, name, _rounded_name(name, bits), bits)

    def _float_view(self, current: str, name: str) -> str:
        """Give what a float node reads: an integer input of the graph is rounded for it too, like a state."""
        both = name in self._inputs and name in self._placement.stored
        return _rounded_name(name, self._placement.stored[name]) if both and current == name else current

    def _quantize_operands(self, source: NodeProto, node: NodeProto, operands: Operands) -> None:
        for at in operands.activations:
            name = source.input[at]
            if name in self._placement.widths:
                width = self._placement.width(name, operands.bits)
                own = self._placement.stored.get(name) == width and name not in self._inputs
                node.input[at] = name if own else _rounded_name(name, width)
        bias_of = self._layer_of_bias.get(source.output[0])
        for at in operands.constants:
            if bias_of is None or bias_of.bias is None or bias_of.bias[1] != at:
                node.input[at] = self._constant(source.input[at], operands.bits)
        layer = self._layers.get(node_id(source))
        if layer is not None:
            node.input[list(source.input).index(layer.use.name)] = self._weight(layer.use)
        if bias_of is not None and bias_of.bias is not None:
            self._put_bias(node, bias_of, bias_of.bias[1])

    def _put_bias(self, node: NodeProto, layer: Layer, at: int) -> None:
        """Give a layer its bias: int32 where its scale is known and the values fit, else float."""
        there = at < len(node.input) and bool(node.input[at])
        correction = self._corrections.get(layer.id)
        if not there and correction is None:
            return
        values = layer.bias_values().astype(numpy.float64)
        values = values if correction is None else values + correction
        name = layer.bias[0].input[at] if there and layer.bias else f"{node.output[0]}::bias"
        source = layer.source_scale(self._parameters, self._placement)
        if layer.use.block is None and source is not None:
            scales = bias_scales(self._weights[layer.use].scales, source, layer.channels)
            if (numpy.abs(values) / scales < 2**31 - 1).all():
                axis = None if scales.ndim == 0 else 0
                stem = self._stem(name)
                _set_input(node, at, self._dequantize(stem, bias_codes(values, scales), scales, axis))
                return
        if correction is not None:
            _set_input(node, at, self._store(f"{name}::corrected", values.astype(numpy.float32)))

    def _round(self, name: str, source: str, target: str, bits: int) -> None:
        """Add `source` -> codes -> `target` with the parameters of tensor `name`."""
        first = self._placement.widths[name][0] == bits
        stem = name if first else target
        affine = self._parameters[name, bits]
        codes = self._free(f"{stem}::codes")
        scale, zero_point = self._parameter_tensors(stem, affine)
        self._add("QuantizeLinear", [source, scale, zero_point], codes, f"{stem}::quantize")
        self._add("DequantizeLinear", [codes, scale, zero_point], target, f"{stem}::dequantize")

    def _parameter_tensors(self, name: str, affine: Affine) -> tuple[str, str]:
        scale = self._store(f"{name}::scale", numpy.float32(affine.scale))
        return scale, self._store(f"{name}::zero_point", numpy.array(affine.zero_point, affine.dtype))

    def _constant(self, name: str, bits: int) -> str:
        """Give a constant operand with the activations' type and one scale."""
        key = (name, bits)
        if key not in self._dequantized:
            values = self._segment.array(name)
            dtype = code_type(self._activation_type, bits)
            affine = affine_for_range(values.min(initial=0.0), values.max(initial=0.0), dtype)
            stem = self._stem(name)
            codes = self._store(f"{stem}::codes", affine.codes(values))
            scale, zero_point = self._parameter_tensors(stem, affine)
            self._dequantized[key] = self._add(
                "DequantizeLinear", [codes, scale, zero_point], f"{stem}::rounded", f"{stem}::dequantize"
            )
        return self._dequantized[key]

    def _weight(self, use: WeightUse) -> str:
        key = (use, "weight")
        if key not in self._dequantized:
            weight = self._weights[use]
            codes = weight.codes.astype(numpy_dtype(f"int{use.bits}"))
            axis = None if weight.scales.ndim == 0 else use.axis
            stem = self._stem(use.name)
            self._dequantized[key] = self._dequantize(stem, codes, weight.scales, axis, use.block)
        return self._dequantized[key]

    def _dequantize(
        self, stem: str, codes: Array, scales: Array, axis: int | None, block: int | None = None
    ) -> str:
        names = [
            self._store(f"{stem}::codes", codes),
            self._store(f"{stem}::scale", scales),
            self._store(f"{stem}::zero_point", numpy.zeros(scales.shape, codes.dtype)),
        ]
        output, name = f"{stem}::rounded", f"{stem}::dequantize"
        return self._add("DequantizeLinear", names, output, name, axis=axis, block=block)

    def _add(
        self,
        op: str,
        inputs: list[str],
        output: str,
        name: str,
        *,
        axis: int | None = None,
        block: int | None = None,
    ) -> str:
        while name in self._node_names:
            name += "_"
        self._node_names.add(name)
        node = helper.make_node(op, inputs, [output], name=name)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        if block is not None:
            node.attribute.append(helper.make_attribute("block_size", block))
        self._nodes.append(node)
        self._taken.add(output)
        return output

    def _store(self, name: str, values: Array | numpy.generic) -> str:
        name = self._free(name)
        self._new_weights[name] = numpy_helper.from_array(numpy.asarray(values), name)
        return name

    def _stem(self, name: str) -> str:
        """Give a name for a weight's new tensors that no other use of it has."""
        stem, count = name, 1
        while f"{stem}::codes" in self._taken:
            count += 1
            stem = f"{name}::{count}"
        return stem

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _rounded_name(name: str, bits: int) -> str:
    return f"{name}::rounded" if bits == 8 else f"{name}::rounded{bits}"


def _set_input(node: NodeProto, at: int, name: str) -> None:
    node.input.extend([""] * (at + 1 - len(node.input)))
    node.input[at] = name
