"""Write a segment in QDQ form: the float graph, with Q and DQ nodes where values are rounded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy
from onnx import NodeProto, TensorProto, helper, numpy_helper

from deploykit.analysis.affine import (
    Affine,
    Array,
    CodeType,
    affine_for_range,
    bias_codes,
    weight_codes,
)
from deploykit.artifacts.precision import Scheme
from deploykit.core.graph.index import node_reads
from deploykit.core.graph.ir_version import lowest_ir_version
from deploykit.core.graph.model import OnnxModel
from deploykit.stages.quantize.placement import Operands, Placement, operands_of
from deploykit.stages.quantize.prepare import PreparedSegment
from deploykit.stages.quantize.weights import WeightUse, bias_fits, bias_scales, weight_use


class Emitter:
    """Builds one segment's quantized graph; see `artifacts.precision` for the tensors' names.

    A rounded tensor `t` that is stored as int8 is written as `t::float` -> `t::codes` -> `t`; where `t` has
    to stay (an input of the graph, or a tensor stored as float), its int8 readers take `t::rounded`
    instead.
    """

    def __init__(
        self,
        segment: PreparedSegment,
        placement: Placement,
        parameters: Mapping[str, Affine],
        scales: Mapping[WeightUse, Array],
        schemes: Mapping[str, Scheme],
        *,
        activation_type: CodeType,
        per_channel: bool,
    ) -> None:
        self._segment = segment
        self._placement = placement
        self._parameters = parameters
        self._scales = scales
        self._schemes = schemes
        self._activation_type = activation_type
        self._per_channel = per_channel
        graph = segment.model.proto.graph
        self._inputs = {value.name for value in graph.input}
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)} | set(
            segment.weights
        )
        self._node_names = {node.name for node in graph.node}
        self._nodes: list[NodeProto] = []
        self._new_weights: dict[str, TensorProto] = {}
        self._dequantized: dict[tuple[str, object], str] = {}

    def model(self) -> OnnxModel:
        """Give the quantized segment; inputs and outputs keep their names and types."""
        result = self._segment.model.copy()
        graph = result.proto.graph
        for value in graph.input:
            if value.name in self._placement.rounded:
                self._round(value.name, value.name, f"{value.name}::rounded")
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
        rounded = [name for name in node.output if name in self._placement.rounded]
        for at, name in enumerate(node.output):
            if name in rounded and name in self._placement.stored:
                node.output[at] = self._free(f"{name}::float")
        self._nodes.append(node)
        for at, name in enumerate(source.output):
            if name in rounded:
                stored = name in self._placement.stored
                self._round(name, node.output[at], name if stored else f"{name}::rounded")

    def _float_view(self, current: str, name: str) -> str:
        """Give what a float node reads: an int8 input of the graph is rounded for it too, like a state."""
        both = name in self._inputs and name in self._placement.stored
        return f"{name}::rounded" if both and current == name else current

    def _quantize_operands(self, source: NodeProto, node: NodeProto, operands: Operands) -> None:
        for at in operands.activations:
            name = source.input[at]
            if name in self._placement.rounded:
                own = name in self._placement.stored and name not in self._inputs
                node.input[at] = name if own else f"{name}::rounded"
        for at in operands.constants:
            node.input[at] = self._constant(source.input[at])
        for at in operands.weights:
            use = weight_use(source, at, self._segment, per_channel=self._per_channel)
            node.input[at] = self._weight(use)
            if operands.bias is not None and bias_fits(source, operands.bias, self._segment):
                node.input[operands.bias] = self._bias(source, operands.bias, self._scales[use])

    def _round(self, name: str, source: str, target: str) -> None:
        """Add `source` -> codes -> `target` with the parameters of tensor `name`."""
        affine = self._parameters[name]
        codes = self._free(f"{name}::codes")
        scale, zero_point = self._parameter_tensors(name, affine)
        self._add("QuantizeLinear", [source, scale, zero_point], codes, f"{name}::quantize")
        self._add("DequantizeLinear", [codes, scale, zero_point], target, f"{name}::dequantize")

    def _parameter_tensors(self, name: str, affine: Affine) -> tuple[str, str]:
        scale = self._store(f"{name}::scale", numpy.float32(affine.scale))
        return scale, self._store(f"{name}::zero_point", numpy.array(affine.zero_point, affine.dtype))

    def _constant(self, name: str) -> str:
        """Give a constant operand with the activations' type and one scale."""
        key = (name, "constant")
        if key not in self._dequantized:
            values = self._segment.array(name)
            affine = affine_for_range(values.min(initial=0.0), values.max(initial=0.0), self._activation_type)
            stem = self._stem(name)
            codes = self._store(f"{stem}::codes", affine.codes(values))
            scale, zero_point = self._parameter_tensors(stem, affine)
            self._dequantized[key] = self._add(
                "DequantizeLinear", [codes, scale, zero_point], f"{stem}::rounded", f"{stem}::dequantize"
            )
        return self._dequantized[key]

    def _weight(self, use: WeightUse) -> str:
        key = (use.name, use.axis)
        if key not in self._dequantized:
            stem = self._stem(use.name)
            scales = self._scales[use]
            codes = weight_codes(self._segment.array(use.name), scales, use.axis)
            self._dequantized[key] = self._dequantize(stem, codes, scales, use.axis)
        return self._dequantized[key]

    def _bias(self, node: NodeProto, at: int, scales: Array) -> str:
        values = self._segment.array(node.input[at])
        own = bias_scales(scales, self._parameters[node.input[0]].scale, values.size)
        stem = self._stem(node.input[at])
        return self._dequantize(stem, bias_codes(values, own), own, None if own.ndim == 0 else 0)

    def _dequantize(self, stem: str, codes: Array, scales: Array, axis: int | None) -> str:
        names = [
            self._store(f"{stem}::codes", codes),
            self._store(f"{stem}::scale", scales),
            self._store(f"{stem}::zero_point", numpy.zeros(scales.shape, codes.dtype)),
        ]
        return self._add("DequantizeLinear", names, f"{stem}::rounded", f"{stem}::dequantize", axis=axis)

    def _add(self, op: str, inputs: list[str], output: str, name: str, *, axis: int | None = None) -> str:
        while name in self._node_names:
            name += "_"
        self._node_names.add(name)
        node = helper.make_node(op, inputs, [output], name=name)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
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
