"""Times of a graph's nodes by the rates that were fitted to measured networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy

from deploykit.analysis.fusion import fuse
from deploykit.analysis.layer_kinds import kind_of
from deploykit.analysis.layer_rows import USUALLY_FUSED, Layer, grouped
from deploykit.analysis.op_costs import Work
from deploykit.analysis.op_costs.work import known_size
from deploykit.analysis.time_model import KINDS, LayerColumns, layer_times
from deploykit.analysis.traffic import ROLE_BITS, off_chip_bytes
from deploykit.artifacts.costs import Bound, NodeCost, SchemeCost, TimeInterval
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.layer_table import LayerKind
from deploykit.core.calibration import Calibration
from deploykit.core.profile import ChipProfile, EngineProfile

TOLD_SHARE = 0.02
"""Shares of the time below this are not worth a sentence."""


@dataclass(frozen=True)
class KnownLayer:
    """A layer of a kind that the time model knows, on a calibrated engine."""

    layer: Layer
    kind: LayerKind


def calibration_of(profile: ChipProfile, engine: str, scheme: str) -> Calibration | None:
    """Give an engine's calibration at a scheme, else its first at another one, else None."""
    own = [item for item in profile.calibration if item.engine == engine]
    return next((item for item in own if item.scheme == scheme), own[0] if own else None)


def calibrated_costs(
    costs: Sequence[NodeCost],
    graph: GraphInfo,
    works: Sequence[Work],
    engines: Mapping[str, EngineProfile],
    profile: ChipProfile,
) -> tuple[NodeCost, ...]:
    """Put fitted times in place of the roofline's, which stay as `spec_time_s`.

    A layer's time is that of its first node; nodes that run within it take none. The fixed time of a run is
    the first layer's. Layers are fused as in the tables of the measured networks, whatever the profile's
    `fuses` say: the rates belong to that. Nodes of a kind that the model does not know keep the
    roofline's time.
    """
    found: dict[str, NodeCost] = {cost.node: cost for cost in costs}
    for engine in dict.fromkeys(item.engine for item in profile.calibration):
        layers = _layers(graph, works, engines, profile, engine)
        for known in layers:
            head, *others = known.layer.nodes
            found[head.id] = replace(found[head.id], kind=known.kind)
            for node in others:
                found[node.id] = _timed(found[node.id], {})
        for scheme in (cost.scheme for cost in found[layers[0].layer.head.id].schemes) if layers else ():
            for name, timed in _scheme_times(layers, profile, engine, scheme).items():
                found[name] = _timed(found[name], {scheme: timed})
    return tuple(found.values())


def _layers(
    graph: GraphInfo,
    works: Sequence[Work],
    engines: Mapping[str, EngineProfile],
    profile: ChipProfile,
    engine: str,
) -> tuple[KnownLayer, ...]:
    alike = {item.name: replace(item, fuses=USUALLY_FUSED) for item in profile.engines}
    fusion = fuse(graph, {node: alike[item.name] for node, item in engines.items()})
    by_node = dict(zip((node.id for node in graph.nodes), works, strict=True))
    batch = (known_size(graph.tensor.get(graph.inputs[0])) or (1,))[0] if graph.inputs else 1
    return tuple(
        KnownLayer(layer, kind)
        for layer in grouped(graph, by_node, fusion)
        if engines[layer.head.id].name == engine
        and (kind := kind_of(layer.head, graph.tensor, by_node[layer.head.id], batch=batch))
    )


def _scheme_times(
    layers: Sequence[KnownLayer], profile: ChipProfile, engine: str, scheme: str
) -> dict[str, tuple[float, Bound]]:
    """Give time and bound of each layer's first node."""
    item = calibration_of(profile, engine, scheme)
    assert item is not None
    own, rates = item.scheme == scheme, item.rates
    peak = item.peak_ops_per_s if own else profile.engine(engine).peak_of(scheme).value or item.peak_ops_per_s
    times = layer_times(_columns(layers, scheme), rates, peak_ops_per_s=peak)
    found: dict[str, tuple[float, Bound]] = {}
    for index, known in enumerate(layers):
        fixed_s = rates.network_overhead_s if index == 0 else 0.0
        work_s, memory_s = float(times.work_s[index] + times.special_s[index]), float(times.memory_s[index])
        bound: Bound = "compute" if work_s >= memory_s else "memory"
        if rates.layer_overhead_s + fixed_s >= max(work_s, memory_s):
            bound = "overhead"
        found[known.layer.head.id] = float(times.total_s[index]) + fixed_s, bound
    return found


def _columns(layers: Sequence[KnownLayer], scheme: str) -> LayerColumns:
    moved = [off_chip_bytes(known.layer.work, scheme) for known in layers]
    works = [known.layer.work for known in layers]
    return LayerColumns(
        network=numpy.zeros(len(layers), dtype=numpy.int64),
        kind=numpy.array([KINDS.index(known.kind) for known in layers], dtype=numpy.int64),
        ops=numpy.array([2.0 * work.macs or work.vector_ops for work in works]),
        weight_bytes=numpy.array([float(traffic.weight) for traffic in moved]),
        activation_bytes=numpy.array([float(traffic.read + traffic.write) for traffic in moved]),
        special_bytes=numpy.array([2.0 * _special_bytes(work, scheme) for work in works]),
        count=numpy.ones(len(layers)),
        fixed=numpy.ones(1),
    )


def _special_bytes(work: Work, scheme: str) -> float:
    """Give the bytes of the elements that operations by table behind MACs write."""
    return work.special_ops * ROLE_BITS[scheme]["activation"] / 8 if work.macs else 0.0


def _timed(cost: NodeCost, times: Mapping[str, tuple[float, Bound]]) -> NodeCost:
    """Give a node fitted times by scheme; without any it runs within another one and takes no time of
    its own."""
    within: tuple[float, Bound] = (0.0, "overhead")
    schemes = tuple(
        _timed_scheme(item, times.get(item.scheme, within)) if not times or item.scheme in times else item
        for item in cost.schemes
    )
    return replace(cost, schemes=schemes)


def _timed_scheme(cost: SchemeCost, timed: tuple[float, Bound]) -> SchemeCost:
    return replace(cost, time_s=timed[0], bound=timed[1], spec_time_s=cost.roofline_s)


def calibrated_interval(costs: Sequence[NodeCost], profile: ChipProfile) -> TimeInterval | None:
    """Give the interval that holds 90 % of networks like the measured ones, and why it is as wide as it is.

    None where no part of the network has fitted times. The kinds' shares of the time are those at each
    engine's first scheme.
    """
    spent: dict[str, float] = {}
    for cost in costs:
        spent[cost.kind] = spent.get(cost.kind, 0.0) + cost.schemes[0].time_s
    items = [calibration_of(profile, cost.engine, cost.schemes[0].scheme) for cost in costs if cost.kind]
    item, total_s = next(iter(items), None), sum(spent.values())
    if item is None or not total_s:
        return None
    seen = item.spread.seen_share
    beyond = {kind: max(time_s / total_s - seen.get(kind, 0.0), 0.0) for kind, time_s in spent.items()}
    width = item.spread.log_width * (1 + item.spread.per_outside * sum(beyond.values()))
    held, factor = sum(one.networks for one in item.held_out[:1]), math.exp(item.spread.log_width)
    base = f"90 % of {held} networks that a fit had not seen lay within a factor {factor:.2f}"
    told = sorted(((share, kind) for kind, share in beyond.items() if share >= TOLD_SHARE), reverse=True)
    reasons = tuple(_beyond(kind, spent[kind] / total_s, seen.get(kind, 0.0)) for _, kind in told)
    return TimeInterval(math.exp(-width), math.exp(width), (base, *reasons))


def _beyond(kind: str, share: float, seen: float) -> str:
    if not kind:
        return (
            f"{100 * share:.0f} % of the time is by the data sheet's roofline: no measured network tells it"
        )
    most = f"had more than {100 * seen:.0f} % of it" if seen else "had any"
    return f"{100 * share:.0f} % of the time is {kind}, and no measured network {most}"
