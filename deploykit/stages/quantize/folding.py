"""Take factors and offsets of single channels into the Conv in front of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy
from onnx import NodeProto, TensorProto, numpy_helper

from deploykit.analysis.affine import Array
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.graph.index import node_id, node_reads
from deploykit.stages.quantize.prepare import PreparedSegment

SCALINGS = frozenset({"Add", "Div", "Mul", "Sub"})

SPREAD_SAID = 2.0
"""From this ratio of the largest factor to the smallest on, a notice names it: a bit that one scale loses."""


@dataclass(frozen=True)
class Folded:
    """A segment with fewer nodes; `ids` gives by its new output the output that a Conv had in the plan."""

    segment: PreparedSegment
    ids: dict[str, str]
    notices: tuple[str, ...]


def fold_channel_factors(segment: PreparedSegment, schemes: Mapping[str, Scheme]) -> Folded:
    """Turn each Conv -> Mul, Div, Add or Sub by a constant a channel into one Conv.

    Exact but for float32's rounding. Without it, channels whose ranges differ a thousandfold share the one
    scale of the tensor between. That tensor is gone afterwards: the Conv writes the result.
    """
    model = segment.model.copy()
    graph = model.proto.graph
    outputs = {value.name for value in graph.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node_reads(node):
            readers.setdefault(name, []).append(node)
    ids: dict[str, str] = {}
    notices: list[str] = []
    gone: set[str] = set()
    for conv in [node for node in graph.node if _is_learned(node, segment)]:
        first, last = conv.output[0], conv.output[0]
        weight, bias = _parameters(conv, segment)
        before = weight
        while last not in outputs and len(readers.get(last, ())) == 1:
            follower = readers[last][0]
            values = _channel_values(follower, last, list(weight.shape), segment, schemes)
            if values is None:
                break
            weight, bias = _applied(follower.op_type, values, weight, bias)
            gone.add(follower.name)
            last = follower.output[0]
        if last != first:
            conv.output[0] = last
            ids[last] = first
            graph.initializer.extend(_new_parameters(conv, weight, bias))
            notices.append(_notice(first, last, before, weight))
    kept = [node for node in graph.node if node.name not in gone]
    del graph.node[:]
    graph.node.extend(kept)
    return Folded(dataclasses.replace(segment, model=model) if ids else segment, ids, tuple(notices))


def _notice(first: str, last: str, before: Array, after: Array) -> str:
    """Say what was folded, and how far the channels' factors reach."""
    sizes = [numpy.abs(weight).reshape(len(weight), -1).max(axis=1) for weight in (before, after)]
    known = (sizes[0] > 0) & (sizes[1] > 0)
    factors = sizes[1][known] / sizes[0][known]
    spread = factors.max(initial=0.0) / factors.min(initial=numpy.inf) if known.any() else 1.0
    reach = f", whose channels' factors differ {spread:.3g}-fold" if spread > SPREAD_SAID else ""
    return f"{first} has no scale of its own: the Conv gives {last} at once{reach}"


def _is_learned(node: NodeProto, segment: PreparedSegment) -> bool:
    return node.op_type == "Conv" and all(segment.is_weight(name) for name in node.input[1:] if name)


def _parameters(conv: NodeProto, segment: PreparedSegment) -> tuple[Array, Array]:
    weight = segment.array(conv.input[1]).astype(numpy.float64)
    if len(conv.input) < 3 or not conv.input[2]:
        return weight, numpy.zeros(len(weight))
    return weight, segment.array(conv.input[2]).astype(numpy.float64)


def _channel_values(
    node: NodeProto, source: str, shape: list[int], segment: PreparedSegment, schemes: Mapping[str, Scheme]
) -> Array | None:
    """Give the constant that a node combines each channel of a Conv's output with; None for other nodes."""
    if node.op_type not in SCALINGS or not is_integer(schemes.get(node_id(node), "float32")):
        return None
    at = 1 - list(node.input).index(source)
    name = node.input[at]
    if not segment.is_weight(name) or (node.op_type in ("Div", "Sub") and at == 0):
        return None
    dims = list(segment.weights[name].dims)
    wide = [1] * (len(shape) - len(dims)) + dims
    if shape[0] == 1 or wide != [1, shape[0], *[1] * (len(shape) - 2)]:
        return None
    values = segment.array(name).reshape(-1).astype(numpy.float64)
    return None if node.op_type == "Div" and not values.all() else values


def _applied(op: str, values: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    if op in ("Add", "Sub"):
        return weight, bias + (values if op == "Add" else -values)
    factor = values if op == "Mul" else 1 / values
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), bias * factor


def _new_parameters(conv: NodeProto, weight: Array, bias: Array) -> list[TensorProto]:
    """Give a Conv parameters under names of their own: others may read the old ones."""
    names = [f"{conv.output[0]}::weight", f"{conv.output[0]}::bias"]
    del conv.input[1:]
    conv.input.extend(names)
    pairs = zip(names, (weight, bias), strict=True)
    return [numpy_helper.from_array(values.astype(numpy.float32), name) for name, values in pairs]
