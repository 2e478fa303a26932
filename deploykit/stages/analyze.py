"""Cost every node of a partition on one chip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.calibrated import calibrated_interval
from deploykit.analysis.graph_work import (
    CustomCost,
    WorkSettings,
    all_nodes,
    branch_works,
    operator_name,
)
from deploykit.analysis.op_costs import CONTROL_COSTS, OP_COSTS, Work, operator_key
from deploykit.analysis.op_costs.control import burden
from deploykit.analysis.roofline import cost_nodes, find_engine, roofs
from deploykit.artifacts.costs import CostReport, NodeCost, TimeInterval
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile
from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class AnalyzeParams:
    """How costs are counted, and what the graph alone does not say.

    accounting: `clean` counts all operations and all bytes; `textbook` MACs with the bias, and parameters
    plus outputs. custom_costs: MACs and vector operations of operators without a cost of their own, by
    "domain:Op" or by node id. trip_counts: how often a Loop or SequenceMap runs its body at most, by node id.
    """

    accounting: Literal["clean", "textbook"] = "clean"
    custom_costs: dict[str, CustomCost] = field(default_factory=dict)
    trip_counts: dict[str, int] = field(default_factory=dict)


PARAMS = AnalyzeParams
GIVES = CostReport


def run(call: StageCall) -> CostReport:
    """Cost the split network."""
    return analyze_costs(call.inputs["split"], profile=call.profile, params=call.params)


def analyze_costs(partition: Partition, *, profile: ChipProfile, params: AnalyzeParams) -> CostReport:
    """Count each node's work and predict its time, each segment on the engine that it is meant for.

    Raises:
        InputError: all that prevents it: operators without a cost, sizes and trip counts that nobody knows,
            blanks in the profile, parameters that name nothing.
    """
    nodes = [node for segment in partition.segments for node in all_nodes(segment.graph)]
    settings = WorkSettings(params.custom_costs, params.trip_counts, params.accounting)
    typical = fill_blanks(profile, at="typical")
    costs = _costs(partition, typical.profile, settings, list(_param_faults(params, nodes)))
    measured = calibrated_interval(costs, profile)
    interval = _both(measured, _interval(partition, profile, settings, costs))
    notices = (
        *_branch_notices(partition.segments, settings),
        *_graph_notices(partition.segments),
        *_engine_notices(partition.segments, costs, profile),
        *_profile_notices(profile, costs),
        *_interval_notices(interval),
    )
    return CostReport(
        partition.network, profile.name, tuple(costs), roofs(typical.profile), notices, interval
    )


def _costs(
    partition: Partition, profile: ChipProfile, settings: WorkSettings, faults: list[Fault]
) -> list[NodeCost]:
    costs: list[NodeCost] = []
    for segment in partition.segments:
        try:
            costs += cost_nodes(
                segment.graph, profile, segment=segment.name, engine=segment.engine, settings=settings
            )
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return costs


def _interval(
    partition: Partition, profile: ChipProfile, settings: WorkSettings, typical: list[NodeCost]
) -> TimeInterval | None:
    """Cost the network at both ends of what the blanks that it needs may be."""
    blanks = fill_blanks(profile, at="typical").needed({cost.engine for cost in typical})
    total_s = _first_scheme_time_s(typical)
    if not blanks or total_s == 0.0:
        return None
    slow, fast = fill_blanks(profile, at="low").profile, fill_blanks(profile, at="high").profile
    slow_s, fast_s = (_first_scheme_time_s(_costs(partition, chip, settings, [])) for chip in (slow, fast))
    if profile.calibration and slow_s == fast_s:
        return None  # measured networks tell what the blanks would have
    place = profile.file or profile.name
    return TimeInterval(fast_s / total_s, slow_s / total_s, tuple(f"{place}: {blank}" for blank in blanks))


def _both(first: TimeInterval | None, second: TimeInterval | None) -> TimeInterval | None:
    if first is None or second is None:
        return first or second
    return TimeInterval(
        first.low_factor * second.low_factor,
        first.high_factor * second.high_factor,
        (*first.reasons, *second.reasons),
    )


def _interval_notices(interval: TimeInterval | None) -> Iterator[str]:
    if interval is not None:
        factors = f"{interval.low_factor:.2f} to {interval.high_factor:.2f} times what is predicted"
        yield f"the network may take {factors}: {'; '.join(interval.reasons)}"


def _first_scheme_time_s(costs: Iterable[NodeCost]) -> float:
    return sum(cost.schemes[0].time_s for cost in costs)


def _param_faults(params: AnalyzeParams, nodes: Iterable[NodeInfo]) -> Iterator[Fault]:
    nodes = tuple(nodes)
    names = {name for node in nodes for name in (node.id, operator_name(node))}
    for name, cost in params.custom_costs.items():
        if name not in names:
            yield Fault(
                f"analyze.custom_costs.{name}", f"no such operator or node{did_you_mean(name, names)}"
            )
        if min(cost.macs, cost.vector_ops) < 0:
            yield Fault(f"analyze.custom_costs.{name}", "a cost is not negative")
    loops = {node.id for node in nodes if operator_key(node.domain, node.op) in CONTROL_COSTS}
    for name, count in params.trip_counts.items():
        if name not in loops:
            yield Fault(
                f"analyze.trip_counts.{name}", f"no such Loop or SequenceMap{did_you_mean(name, loops)}"
            )
        if count < 0:
            yield Fault(f"analyze.trip_counts.{name}", f"a count is not negative, as {count} is")


def _branch_notices(segments: Iterable[Segment], settings: WorkSettings) -> Iterator[str]:
    for segment in segments:
        for node, branches in branch_works(segment.graph, settings=settings).items():
            counted, *others = sorted(branches, key=lambda branch: burden(branch[1]), reverse=True)
            rest = "; ".join(f"{name} has {_figures(work)}" for name, work in others)
            yield f"{node}: {counted[0]} is counted, with {_figures(counted[1])}; {rest}"


def _figures(work: Work) -> str:
    moved = work.weight_elements + work.read_elements + work.write_elements
    return f"{work.macs:,} MACs, {work.vector_ops:,} vector operations, {moved:,} elements moved"


def _graph_notices(segments: Iterable[Segment]) -> Iterator[str]:
    bounded = [
        tensor.name
        for segment in segments
        for tensor in segment.graph.tensors
        if tensor.upper_bound is not None
    ]
    if bounded:
        yield f"{_some(bounded)}: the size depends on the data and is counted at its largest"


def _engine_notices(
    segments: Iterable[Segment], costs: Iterable[NodeCost], profile: ChipProfile
) -> Iterator[str]:
    meant = {segment.name: find_engine(profile, segment.engine).name for segment in segments}
    moved: dict[tuple[str, str, str], list[str]] = {}
    for cost in costs:
        if meant[cost.segment] != cost.engine:
            moved.setdefault((meant[cost.segment], cost.op, cost.engine), []).append(cost.node)
    for (engine, op, other), names in moved.items():
        yield f"{_some(names)}: {engine} does not run {op}; costed on {other}"


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _profile_notices(profile: ChipProfile, costs: Iterable[NodeCost]) -> Iterator[str]:
    used = {cost.engine for cost in costs}
    calibrated = {item.engine for item in profile.calibration}
    for engine in profile.engines:
        if engine.name not in used:
            continue
        if engine.node_overhead_s.value is None and engine.name not in calibrated:
            yield f"{profile.name} {engine.name}: the overhead per layer is not known and counted as zero"
        for scheme, peak in engine.peak_ops_per_s.items():
            if peak.value is None:
                yield f"{profile.name} {engine.name}: no peak is known for {scheme}, so it is left out"
        odd = [op for op in (*engine.operators, *engine.fuses) if op != "*" and not _is_operator(op)]
        if odd:
            known = [op for domain, op in (*OP_COSTS, *CONTROL_COSTS) if not domain]
            yield f"{profile.name} {engine.name}: {odd[0]!r} is no ONNX operator{did_you_mean(odd[0], known)}"


def _is_operator(name: str) -> bool:
    return ":" in name or ("", name) in OP_COSTS or ("", name) in CONTROL_COSTS
