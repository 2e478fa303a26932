"""How many bytes a network's weights take as a precision plan stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.analysis.live_ranges import inner_nodes
from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import WEIGHT_BITS, Scheme
from deploykit.core.dtypes import ELEMENT_TYPES, is_float, size_bytes


def weight_bytes(partition: Partition, schemes: Mapping[str, Scheme]) -> int:
    """Sum all initializers, also those of subgraphs; one that several segments or nodes read counts once.

    `schemes` are those of the nodes that read them; where readers differ, the widest form is the one stored.
    """
    sizes: dict[str, int] = {}
    for segment in partition.segments:
        readers = _reader_schemes(segment.graph, schemes)
        for info in _weights(segment.graph):
            size = max(_stored_size(info, scheme) for scheme in readers.get(info.name, {"float32"}))
            sizes[info.name] = max(size, sizes.get(info.name, 0))
    return sum(sizes.values())


def _weights(graph: GraphInfo) -> Iterator[TensorInfo]:
    yield from (info for info in graph.tensors if info.is_weight)
    for node in graph.nodes:
        for _, inner in node.subgraphs:
            yield from _weights(inner)


def _reader_schemes(graph: GraphInfo, schemes: Mapping[str, Scheme]) -> dict[str, set[Scheme]]:
    found: dict[str, set[Scheme]] = {}
    for node in (*graph.nodes, *inner_nodes(graph)):
        for name in node.inputs:
            found.setdefault(name, set()).add(schemes.get(node.id, "float32"))
    return found


def _stored_size(info: TensorInfo, scheme: Scheme) -> int:
    """Give one weight's bytes at a scheme: float weights become int4, int8 or float16, biases int32."""
    count = 1
    for dim in info.shape or ():
        count *= dim if isinstance(dim, int) else 1
    if info.dtype not in ELEMENT_TYPES:
        return 0
    if not is_float(info.dtype) or scheme == "float32":
        return size_bytes(info.dtype, count)
    if scheme == "float16":
        return size_bytes("float16", count)
    is_bias = len(info.shape or ()) <= 1
    return size_bytes("int32" if is_bias else f"int{WEIGHT_BITS[scheme]}", count)
