"""Tensors whose channels can have factors: made channel by channel, read by layers alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import NodeProto

from deploykit.artifacts.model import Partition
from deploykit.core.graph.index import node_reads
from deploykit.stages.quantize.layers import Layer, attribute
from deploykit.stages.quantize.prepare import PreparedSegment

HOMOGENEOUS = frozenset({"AveragePool", "GlobalAveragePool", "LeakyRelu", "MaxPool", "PRelu", "Relu"})
"""Functions that give a channel's positive factor to their result."""

MEANS = frozenset({"AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True)
class Site:
    """A tensor `source` that layers read, with all tensors on the way to it from the node that makes it.

    `makers` are the constants that its channels' factors go into, each with the axis of the channels. `limit`
    is the lowest upper bound on the way, infinity where there is none.
    """

    segment: PreparedSegment
    source: str
    axis: int
    tensors: tuple[str, ...]
    makers: tuple[tuple[str, int], ...]
    readers: tuple[Layer, ...]
    limit: float


def find_sites(
    partition: Partition, prepared: Sequence[PreparedSegment], layers: Sequence[Layer]
) -> list[Site]:
    """Give all such tensors in execution order; each constant that would change has one reader."""
    found = []
    shared = {weight.name for weight in partition.shared_weights}
    for segment in prepared:
        graph = segment.model.proto.graph
        readers: dict[str, list[NodeProto]] = {}
        for node in segment.nodes:
            for name in node_reads(node):
                readers.setdefault(name, []).append(node)
        single = {name for name in segment.weights if len(readers.get(name, ())) == 1} - shared
        own = {layer.node.name: layer for layer in layers if layer.segment is segment}
        walk = _Walk(segment, readers, own, single, {value.name for value in graph.output})
        sites = (walk.site(node) for node in segment.nodes)
        found += [site for site in sites if site is not None]
    return found


@dataclass(frozen=True)
class _Walk:
    segment: PreparedSegment
    readers: Mapping[str, Sequence[NodeProto]]
    layers: Mapping[str, Layer]
    single: Collection[str]
    outputs: Collection[str]

    def site(self, node: NodeProto) -> Site | None:
        """Follow what a node makes up to the layers that read it; None where anything else does."""
        made = self._made(node)
        if made is None:
            return None
        makers, axis = list(made[0]), made[1]
        name, tensors, limit = node.output[0], [node.output[0]], float("inf")
        while name not in self.outputs and self.readers.get(name):
            behind = [self._reading(each, name, axis) for each in self.readers[name]]
            layers = [layer for layer in behind if layer is not None]
            if len(layers) == len(behind):
                return Site(self.segment, name, axis, tuple(tensors), tuple(makers), tuple(layers), limit)
            if len(behind) > 1:
                return None
            (follower,) = self.readers[name]
            if follower.op_type in ("Add", "Sub") and (added := self._vector(follower, name, axis)):
                makers.append(added)
            elif follower.op_type == "Clip" and self._from_zero(follower):
                limit = min(limit, self._upper(follower))
            elif follower.op_type not in HOMOGENEOUS or len(follower.output) > 1:
                return None
            elif limit < float("inf") and follower.op_type in MEANS:
                return None  # how near the bound values come is not seen behind it
            name = follower.output[0]
            tensors.append(name)
        return None

    def _made(self, node: NodeProto) -> tuple[list[tuple[str, int]], int] | None:
        """Give the constants that each channel of a node's output is proportional to, and its axis."""
        layer = self.layers.get(node.name)
        if layer is not None and layer.use.form.rows is not None and layer.use.form.axis is not None:
            constants = [(layer.use.name, layer.use.form.rows)]
            bias = node.input[2] if node.op_type in ("Conv", "Gemm") and len(node.input) > 2 else ""
            if bias and (bias not in self.segment.weights or len(self.segment.weights[bias].dims) != 1):
                return None
            constants += [(bias, 0)] if bias else []
            axis = 1 if node.op_type == "Conv" else -1
            if axis == 1 and len(layer.use.form.shape) != 4:
                return None
        elif node.op_type == "LayerNormalization" and attribute(node, "axis", -1) == -1:
            constants, axis = [(name, 0) for name in node.input[1:] if name], -1
        elif node.op_type == "Mul":
            vector = next((self._vector(node, name, -1) for name in node.input), None)
            if vector is None:
                return None
            constants, axis = [vector], -1
        else:
            return None
        return (constants, axis) if all(name in self.single for name, _ in constants) else None

    def _vector(self, node: NodeProto, source: str, axis: int) -> tuple[str, int] | None:
        """Give the constant of one number a channel that a node combines `source` with."""
        names = [name for name in node.input if name != source]
        if len(names) != 1 or names[0] not in self.single or not self.segment.is_weight(names[0]):
            return None
        dims = list(self.segment.weights[names[0]].dims)
        at = next((at for at, size in enumerate(dims) if size > 1), None)
        if at is None or sum(size > 1 for size in dims) != 1:
            return None
        fits = at == len(dims) - 1 if axis == -1 else len(dims) > 2 and at == len(dims) - 3
        return (names[0], at) if fits and (axis == -1 or len(dims) in (3, 4)) else None

    def _reading(self, node: NodeProto, name: str, axis: int) -> Layer | None:
        """Give the layer that weighs a tensor's channels, if it is one with weights of its own."""
        layer = self.layers.get(node.name)
        if layer is None or layer.use.form.rows is None or layer.source != name:
            return None
        if list(node.input).count(name) != 1 or layer.use.name not in self.single or node.input[0] != name:
            return None
        if node.op_type == "Conv":
            return layer if axis == 1 else None
        return layer if axis == -1 and not attribute(node, "transA", 0) else None

    def _from_zero(self, node: NodeProto) -> bool:
        names = [name for name in node.input[1:3] if name]
        known = all(name in self.segment.weights for name in names) and len(node.input) > 1 and node.input[1]
        return bool(known) and float(self.segment.array(node.input[1]).reshape(-1)[0]) == 0.0

    def _upper(self, node: NodeProto) -> float:
        if len(node.input) < 3 or not node.input[2]:
            return float("inf")
        return float(numpy.asarray(self.segment.array(node.input[2])).reshape(-1)[0])
