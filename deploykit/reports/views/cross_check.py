"""What we predict beside what a vendor's compiler does, layer by layer."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deploykit.artifacts.binaries import Binary, CompileReport, VendorLayer
from deploykit.artifacts.costs import NodeCost, SchemeCost
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.results import NetworkResults
from deploykit.reports.views.nouns.cross_check import CheckedLayer, CheckedSegment, CrossCheckView
from deploykit.reports.views.nouns.memory import Rectangle
from deploykit.reports.views.numbers import rank_correlation

FAR = 2.0
"""Layers whose times differ by more are explained."""

LONG = {"compute": "arithmetic", "memory": "off-chip memory", "overhead": "the fixed time of a layer"}
TERMS = {"compute": "arithmetic", "sram": "on-chip memory", "dram": "off-chip memory", "flash": "flash"}


@dataclass
class _Group:
    """Layers of the vendor's that compute one of our tensors, and the nodes of ours that end there."""

    tensor: str
    theirs: list[VendorLayer] = field(default_factory=list)
    ours: list[NodeCost] = field(default_factory=list)


def cross_check_view(result: NetworkResults) -> CrossCheckView | None:
    """Compare the costs of a network with its compiler's reports; None where either is missing."""
    if (
        result.binaries is None
        or result.costs is None
        or result.partition is None
        or not result.binaries.binaries
    ):
        return None
    graphs = {segment.name: segment.graph for segment in result.partition.segments}
    schemes: dict[str, str] = {**result.plan.scheme_of()} if result.plan else {}
    segments = tuple(
        _segment(binary, graphs[binary.segment], result, schemes) for binary in result.binaries.binaries
    )
    layers = [layer for segment in segments for layer in segment.layers]
    pairs = [(row.ours_s, row.theirs_cycles or row.theirs_s) for row in layers]
    kept = [(ours, theirs) for ours, theirs in pairs if theirs]
    return CrossCheckView(
        toolchain=result.binaries.toolchain,
        version=result.binaries.version,
        chip=result.binaries.chip,
        predicted_for=result.costs.chip,
        segments=segments,
        correlation=rank_correlation([ours for ours, _ in kept], [theirs for _, theirs in kept]),
        compared=len(kept),
        ours_s=sum(segment.ours_s for segment in segments),
        theirs_s=_total(segment.theirs_s for segment in segments),
        host=result.binaries.host,
    )


def _segment(
    binary: Binary, graph: GraphInfo, result: NetworkResults, schemes: Mapping[str, str]
) -> CheckedSegment:
    assert result.costs is not None
    nodes = [node for node in result.costs.nodes if node.segment == binary.segment]
    report = binary.report
    groups, unnamed = _groups(report.layers, nodes, graph, schemes)
    second = _seconds_a_cycle(report)
    rows = tuple(_row(group, schemes, second) for group in groups)
    memory = result.memory
    arena = (
        next((arena for arena in memory.arenas if arena.owner == binary.segment), None) if memory else None
    )
    costs = [_cost(node, schemes) for node in nodes]
    return CheckedSegment(
        segment=binary.segment,
        layers=rows,
        ours_s=sum(cost.time_s for cost in costs),
        theirs_s=report.time_s,
        theirs_cycles=report.cycles,
        ours_bytes=sum(cost.traffic_bytes for cost in costs),
        theirs_bytes=report.dram_bytes,
        ours_weight_bytes=sum(cost.weight_bytes for cost in costs),
        theirs_weight_bytes=report.weight_bytes,
        ours_arena_bytes=arena.size_bytes if arena else None,
        theirs_arena_bytes=report.activation_peak_bytes or _peak(report),
        theirs_sram_bytes=report.sram_peak_bytes,
        fallback=tuple(layer.name for layer in report.layers if layer.fallback),
        uncompared=tuple(node.node for node in unnamed if _cost(node, schemes).time_s > 0),
        rectangles=_rectangles(report),
        notices=report.notices,
    )


def _groups(
    layers: Sequence[VendorLayer],
    nodes: Sequence[NodeCost],
    graph: GraphInfo,
    schemes: Mapping[str, str],
) -> tuple[list[_Group], list[NodeCost]]:
    """Give the groups with a figure of the vendor's, and our nodes that no layer stands for.

    A layer that takes no cycles runs within the one before it. A node whose result the vendor does not name
    belongs to the layer that its result alone goes to.
    """
    found: dict[str, _Group] = {}
    alias: dict[str, str] = {}
    last: _Group | None = None
    for layer in layers:
        if layer.fallback or not layer.tensors:
            continue
        tensor = layer.tensors[0]
        if not (layer.cycles or layer.time_s) and tensor not in found and last is not None:
            last.theirs.append(layer)
            alias.update(dict.fromkeys(layer.tensors, last.tensor))
            continue
        last = found.setdefault(tensor, _Group(tensor))
        last.theirs.append(layer)
        alias.update(dict.fromkeys(layer.tensors, tensor))
    ends = _ends(graph, alias)
    unnamed = []
    for node in nodes:
        end = ends.get(node.node)
        if end is None:
            unnamed.append(node)
        else:
            found[end].ours.append(node)
    return _merged([group for group in found.values() if group.ours], graph, schemes), unnamed


def _merged(groups: list[_Group], graph: GraphInfo, schemes: Mapping[str, str]) -> list[_Group]:
    """Put layers that take no time here into the one before: they run within it by our model."""
    place = {node.node: group for group in groups for node in group.ours}
    order = {id(group): at for at, group in enumerate(groups)}
    nodes = {node.id: node for node in graph.nodes}
    kept = []
    for group in groups:
        before = [
            place[made.id]
            for node in group.ours
            for name in nodes[node.node].inputs
            if (made := graph.producer.get(name)) is not None and made.id in place
        ]
        before = [other for other in before if other is not group and order[id(other)] < order[id(group)]]
        if before and not any(_cost(node, schemes).time_s for node in group.ours):
            last = max(before, key=lambda other: order[id(other)])
            last.theirs += group.theirs
            last.ours += group.ours
            place.update({node.node: last for node in group.ours})
        else:
            kept.append(group)
    return kept


def _ends(graph: GraphInfo, alias: Mapping[str, str]) -> dict[str, str | None]:
    """Give the layer that each node's result is, or that alone it goes to."""
    found: dict[str, str | None] = {}
    for node in reversed(graph.nodes):
        own = next((alias[name] for name in node.outputs if name in alias), None)
        readers = [reader for name in node.outputs for reader in graph.consumers.get(name, ())]
        later = {found.get(reader.id) for reader in readers}
        found[node.id] = own or (later.pop() if len(later) == 1 else None)
    return found


def _row(group: _Group, schemes: Mapping[str, str], second: float | None) -> CheckedLayer:
    costs = [_cost(node, schemes) for node in group.ours]
    cycles = _total(layer.cycles for layer in group.theirs)
    told_s = _total(layer.time_s for layer in group.theirs)
    theirs_s = told_s if told_s is not None else cycles * second if cycles and second else None
    ours_s = sum(cost.time_s for cost in costs)
    row = CheckedLayer(
        tensor=group.tensor,
        nodes=tuple(node.node for node in group.ours),
        ops=tuple(node.op for node in group.ours),
        theirs_ops=tuple(dict.fromkeys(layer.op for layer in group.theirs)),
        ours_s=ours_s,
        theirs_s=theirs_s,
        theirs_cycles=None if cycles is None else int(cycles),
        ours_bytes=sum(cost.traffic_bytes for cost in costs),
        theirs_bytes=None
        if (moved := _total(layer.dram_bytes for layer in group.theirs)) is None
        else int(moved),
        ratio=ours_s / theirs_s if theirs_s else None,
        reason="",
    )
    if row.ratio is None or (1 / FAR <= row.ratio <= FAR):
        return row
    return dataclasses.replace(row, reason=_reason(row, group, costs))


def _reason(row: CheckedLayer, group: _Group, costs: Sequence[SchemeCost]) -> str:
    """Say which term takes the time there and here."""
    ours = max(costs, key=lambda cost: cost.time_s)
    said = f"ours waits for {LONG[ours.bound]}"
    terms: dict[str, int] = defaultdict(int)
    for layer in group.theirs:
        for term, cycles in layer.terms:
            terms[term] += cycles
    if terms:
        longest = max(terms, key=lambda term: terms[term])
        others = ", ".join(f"{TERMS.get(term, term)} {cycles:,}" for term, cycles in terms.items())
        theirs = f"theirs for {TERMS.get(longest, longest)} (cycles: {others})"
        if longest == "compute" and ours.bound == "compute":
            macs = sum(layer.macs or 0 for layer in group.theirs)
            theirs += f", which reaches {macs / terms[longest]:.0f} MACs a cycle" if macs else ""
        return f"{said}, {theirs}"
    if row.theirs_bytes and row.ours_bytes:
        return f"{said}; they move {row.theirs_bytes / row.ours_bytes:.2g} times our bytes"
    return f"{said}; the compiler does not say what theirs waits for"


def _seconds_a_cycle(report: CompileReport) -> float | None:
    if report.cycles and report.time_s:
        return report.time_s / report.cycles
    return None


def _cost(node: NodeCost, schemes: Mapping[str, str]) -> SchemeCost:
    return node.at(schemes.get(node.node, ""))


def _total(values: Iterable[float | None]) -> float | None:
    """Add up what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _peak(report: CompileReport) -> int | None:
    """Give the end of the highest activation, memories added up; constants lie apart."""
    ends: dict[str, int] = {}
    for buffer in report.buffers:
        if buffer.first_step is not None and buffer.memory != "read-only":
            ends[buffer.memory] = max(ends.get(buffer.memory, 0), buffer.offset_bytes + buffer.size_bytes)
    return sum(ends.values()) if ends else None


def _rectangles(report: CompileReport) -> tuple[tuple[str, tuple[Rectangle, ...]], ...]:
    """Give the vendor's buffers with lifetimes, a list a memory."""
    found: dict[str, list[Rectangle]] = {}
    for buffer in report.buffers:
        if buffer.first_step is None or buffer.end_step is None or buffer.memory == "read-only":
            continue
        found.setdefault(buffer.memory, []).append(
            Rectangle(buffer.name, buffer.first_step, buffer.end_step, buffer.offset_bytes, buffer.size_bytes)
        )
    return tuple((memory, tuple(rows)) for memory, rows in found.items())
