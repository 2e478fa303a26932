"""Give the channels that products read factors of their own, by a multiplication in front of the rounding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import NodeProto, helper, numpy_helper

from deploykit.analysis.affine import Array
from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.fusion import VIEWS
from deploykit.analysis.pointwise import POINTWISE, inside_pointwise
from deploykit.analysis.rounding.equalisation import channel_factors
from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Granularity, NodePrecision, PrecisionPlan, Scheme, is_integer
from deploykit.core.graph.index import node_id, node_reads
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.equalise import apply_factors, layer_reader, saved, spreads, with_weights
from deploykit.stages.quantize.layers import Layer, attribute, find_layers
from deploykit.stages.quantize.prepare import PreparedSegment
from deploykit.stages.quantize.sites import Site
from deploykit.tasks.protocol import Clip

LEAST_GAIN = 0.5
"""Factors are taken where they halve the predicted error: they cost a multiplication, and no comparison."""


@dataclass(frozen=True)
class Smoothed:
    """A float network that computes the same: `t::smoothed` is `t` times a factor for each channel.

    Layers read it in place of `t`, which stays what it was. The tensors in `unrounded`, `t` among them, lie
    between the node that makes them and the multiplication; the views between are as float as that node.
    """

    partition: Partition
    prepared: tuple[PreparedSegment, ...]
    plan: PrecisionPlan
    unrounded: frozenset[str]
    notices: tuple[str, ...]


def smooth(
    partition: Partition,
    prepared: Sequence[PreparedSegment],
    plan: PrecisionPlan,
    schemes: Mapping[str, Scheme],
    granularities: Mapping[str, Granularity],
    clips: Iterable[Clip],
    *,
    fused: Sequence[str],
    workspace: Workspace,
) -> Smoothed:
    """Scale what products with learned weights read, where it makes their predicted error smaller.

    Only where real numbers are at hand before they are rounded: behind a float node, and behind a function
    that the chip computes on a layer's way out. Xiao et al. 2022, "SmoothQuant", arXiv 2211.10438.
    """
    layers = find_layers(prepared, schemes, granularities, per_channel=True)
    flow = NetworkFlow(partition)
    inside = inside_pointwise(flow, schemes, fused) | set(fused)
    found = list(_sites(flow, prepared, layers, schemes, inside))
    seen = spreads(partition, found, clips, workspace) if found else {}
    values: dict[str, Array] = {}
    factors: dict[str, Array] = {}
    changed: set[str] = set()
    for site in found:
        readers = [layer_reader(layer, site, values) for layer in site.readers]
        chosen = None
        if site.source in seen:
            chosen = channel_factors(seen[site.source], readers, site.limit, least_gain=LEAST_GAIN)
        if chosen is not None:
            apply_factors(site, chosen, values)
            factors[site.source] = chosen
            changed.update(site.tensors)
    if not factors:
        return Smoothed(partition, tuple(prepared), plan, frozenset(), ())
    readers_of = {site.source: {layer.node.name for layer in site.readers} for site in found}
    after = tuple(_with_products(with_weights(each, values), factors, readers_of) for each in prepared)
    segments = tuple(
        segment
        if old is new
        else dataclasses.replace(segment, files=saved(new, workspace), graph=summarise(new.model))
        for segment, old, new in zip(partition.segments, prepared, after, strict=True)
    )
    makers = {name: node for node in flow.nodes for name in node.outputs}
    nodes = [_with_its_maker(node, makers, schemes) if node.node in changed else node for node in plan.nodes]
    after_nodes = {node.node: node.scheme for node in nodes}
    for name in factors:
        scheme = after_nodes.get(name, "float32")
        nodes.append(
            NodePrecision(f"{name}::smoothed", "float32" if is_integer(scheme) else scheme, "Smooths.")
        )
    notice = f"layers read these with a factor for each channel (::smoothed): {', '.join(factors)}"
    return Smoothed(
        dataclasses.replace(partition, segments=segments),
        after,
        dataclasses.replace(plan, nodes=tuple(nodes)),
        frozenset(changed),
        (notice,),
    )


def _with_its_maker(
    planned: NodePrecision, makers: Mapping[str, NodeInfo], schemes: Mapping[str, Scheme]
) -> NodePrecision:
    """Let a view be as float as what it shows."""
    node = makers[planned.node]
    if node.op not in VIEWS:
        return planned
    while node.op in VIEWS and node.inputs[0] in makers:
        node = makers[node.inputs[0]]
    scheme = schemes[node.id]
    return dataclasses.replace(planned, scheme="float32" if is_integer(scheme) else scheme)


def _sites(
    flow: NetworkFlow,
    prepared: Sequence[PreparedSegment],
    layers: Sequence[Layer],
    schemes: Mapping[str, Scheme],
    inside: frozenset[str],
) -> Iterator[Site]:
    """Give the tensors that products read, with those on the way up to the node that makes them."""
    shared = {weight.name for weight in flow.partition.shared_weights}
    for segment in prepared:
        graph = segment.model.proto.graph
        readers: dict[str, list[NodeProto]] = {}
        for node in segment.nodes:
            for name in node_reads(node):
                readers.setdefault(name, []).append(node)
        kept = {value.name for value in graph.output} | shared
        own = {
            layer.node.name: layer
            for layer in layers
            if layer.segment is segment and _weighs_rows(layer, readers, kept)
        }
        makers = {name: node for node in segment.nodes for name in node.output}
        ways = {
            source: _way_up(flow, source, makers, readers, kept)
            for source in dict.fromkeys(layer.source for layer in own.values())
        }
        followed = {
            node.name
            for node in segment.nodes
            if node.output[0] in {n for w in ways.values() for n in w[:-1]}
        }
        for source, way in ways.items():
            maker = makers.get(way[-1])
            if maker is None or not _is_at_hand(flow, maker, schemes, inside):
                continue
            others = [
                n for name in way for n in readers[name] if n.name not in own and n.name not in followed
            ]
            if not any(is_integer(schemes.get(node_id(node), "float32")) for node in others):
                users = tuple(own[node.name] for node in readers[source] if node.name in own)
                yield Site(segment, source, -1, way, (), users, float("inf"))


def _weighs_rows(layer: Layer, readers: Mapping[str, Sequence[NodeProto]], kept: set[str]) -> bool:
    use, node = layer.use, layer.node
    single = len(readers[use.name]) == 1 and use.name not in kept
    fits = node.op_type in ("Gemm", "MatMul") and not attribute(node, "transA", 0)
    return fits and single and use.form.rows is not None and node.input[0] == layer.source


def _way_up(
    flow: NetworkFlow,
    source: str,
    makers: Mapping[str, NodeProto],
    readers: Mapping[str, Sequence[NodeProto]],
    kept: set[str],
) -> tuple[str, ...]:
    """Follow a tensor up through views that keep its last axis."""
    way = [source]
    while (node := makers.get(way[-1])) is not None and node.op_type in VIEWS:
        above = node.input[0]
        sizes = [(flow.tensor(name).shape or ("?",))[-1] for name in (above, way[-1])]
        if not isinstance(sizes[0], int) or sizes[0] != sizes[1] or way[-1] in kept:
            break
        if len(way) > 1 and len(readers[way[-1]]) > 1:
            break
        way.append(above)
    return tuple(way)


def _is_at_hand(
    flow: NetworkFlow, maker: NodeProto, schemes: Mapping[str, Scheme], inside: frozenset[str]
) -> bool:
    """Say whether a node's result is there in real numbers: it is float, or ends what the chip fuses."""
    if not is_integer(schemes.get(node_id(maker), "float32")):
        return True
    sources = [name for name in maker.input if flow.is_float_activation(name)]
    return maker.op_type in POINTWISE and bool(sources) and all(name in inside for name in sources)


def _with_products(
    segment: PreparedSegment, factors: Mapping[str, Array], readers: Mapping[str, set[str]]
) -> PreparedSegment:
    """Put a Mul behind each tensor that has factors, in front of the layers that take them back."""
    made = {name for node in segment.nodes for name in node.output}
    own = [name for name in factors if name in made]
    if not own:
        return segment
    model = segment.model.copy()
    graph = model.proto.graph
    nodes: list[NodeProto] = []
    for node in graph.node:
        for name in own:
            if node.name in readers[name]:
                node.input[0] = f"{name}::smoothed"
        nodes.append(node)
        for name in set(own).intersection(node.output):
            target, constant = f"{name}::smoothed", f"{name}::factors"
            nodes.append(helper.make_node("Mul", [name, constant], [target], name=target))
            graph.initializer.append(numpy_helper.from_array(factors[name].astype(numpy.float32), constant))
    del graph.node[:]
    graph.node.extend(nodes)
    infer_shapes(model)
    floats = segment.float_tensors | {f"{name}::smoothed" for name in own}
    return dataclasses.replace(segment, model=model, float_tensors=floats)
