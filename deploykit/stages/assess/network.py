"""One network on one chip: the pipeline's pure steps on a draft of its segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.graph_work import CustomCost, all_nodes, operator_name
from deploykit.analysis.op_costs import CONTROL_COSTS, OP_COSTS, operator_key
from deploykit.analysis.special_convolutions import special_convolutions
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.assessment import (
    Coverage,
    Footprint,
    NetworkAssessment,
    OffEngine,
    SchemeFigures,
)
from deploykit.artifacts.costs import Bound, CostReport, NodeCost, SchemeCost
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile, Quantity
from deploykit.stages.analyze import AnalyzeParams, analyze_costs
from deploykit.stages.assess.read import ReadNetwork
from deploykit.stages.assess.toolchains import toolchain_coverage
from deploykit.stages.memory import MemoryParams, plan_memory
from deploykit.stages.precision import Choice, PrecisionParams, plan_precision
from deploykit.stages.split.draft import draft_partition


@dataclass(frozen=True)
class Draft:
    """A network cut and costed for a chip, without files; `plans` by scheme, the one of the answer first."""

    partition: Partition
    costs: CostReport
    plans: tuple[tuple[str, PrecisionPlan], ...]

    @property
    def scheme(self) -> str:
        """The scheme that the answer is about."""
        return self.plans[0][0]

    @property
    def plan(self) -> PrecisionPlan:
        """The precision plan for that scheme."""
        return self.plans[0][1]


def assess_network(
    network: ReadNetwork, *, profile: ChipProfile, scheme: str = ""
) -> tuple[NetworkAssessment, Draft]:
    """Predict one network's latency, memory and coverage at every scheme of the chip's main engine.

    `scheme` is the one that the answer is about (default: the engine's first).

    Raises:
        InputError: the costs cannot be predicted, or the engine has no such scheme.
    """
    partition, costs = draft(network, profile)
    main = profile.engines[0]
    offered = _offered(costs, profile)
    if scheme and scheme not in offered:
        raise input_error(profile.name, f"{main.name} has no {scheme}", f"it has {', '.join(offered)}")
    order = sorted(offered, key=lambda name: name != scheme) if scheme else offered
    plans = tuple((name, plan_of(name, partition, costs, profile)) for name in order)
    figures = tuple(scheme_figures(name, partition, costs, plan, profile) for name, plan in plans)
    made = Draft(partition, costs, plans)
    coverage = _coverage(network, made, profile)
    notices = tuple(dict.fromkeys((*network.notices, *_unknown_notices(network.graph), *costs.notices)))
    answer = NetworkAssessment(network.network, network.variant, network.sizes, figures, coverage, notices)
    return answer, made


def draft(network: ReadNetwork, profile: ChipProfile) -> tuple[Partition, CostReport]:
    """Cut a network for a chip, and cost it; operators of unknown cost count as their tensors alone."""
    partition = draft_partition(network.model, network.graph, network=network.network, profile=profile)
    custom = {name: CustomCost() for name in unknown_operators(network.graph)}
    params = AnalyzeParams(custom_costs=custom, trip_counts=dict(network.trip_counts))
    return partition, analyze_costs(partition, profile=profile, params=params)


def plan_of(scheme: str, partition: Partition, costs: CostReport, profile: ChipProfile) -> PrecisionPlan:
    """Give every node this scheme, but for those that a rule or their engine keeps at another."""
    params = PrecisionParams(scheme=cast("Choice", scheme))  # one of the engine's, so one of the choices
    return plan_precision(partition, costs, profile=profile, params=params)


def _offered(costs: CostReport, profile: ChipProfile) -> list[str]:
    """Give the schemes of the main engine, those without a peak of their own last."""
    main = profile.engines[0]
    own = [roof.scheme for roof in costs.roofs if roof.engine == main.name]
    on_main = (cost.scheme for node in costs.nodes if node.engine == main.name for cost in node.schemes)
    return list(dict.fromkeys((*own, *on_main)))


def unknown_operators(graph: GraphInfo) -> tuple[str, ...]:
    """Give the operators that no cost is known for, in the order of execution."""
    nodes = (node for node in all_nodes(graph) if not _has_cost(node.domain, node.op))
    return tuple(dict.fromkeys(operator_name(node) for node in nodes))


def _has_cost(domain: str, op: str) -> bool:
    key = operator_key(domain, op)
    return key in OP_COSTS or key in CONTROL_COSTS


def scheme_figures(
    scheme: str, partition: Partition, costs: CostReport, plan: PrecisionPlan, profile: ChipProfile
) -> SchemeFigures:
    """Sum up a costed network under a precision plan."""
    main = profile.engines[0]
    chosen = node_schemes(costs, plan)
    time_s = sum(cost.time_s for _, cost in chosen)
    bound_s: dict[Bound, float] = {"compute": 0.0, "memory": 0.0, "overhead": 0.0}
    for _, cost in chosen:
        bound_s[cost.bound] += cost.time_s
    peak = fill_blanks(profile, at="typical").profile.engines[0].peak_of(scheme).value
    interval = costs.interval
    return SchemeFigures(
        scheme=scheme,
        time_s=time_s,
        roofline_s=sum(cost.roofline_s for _, cost in chosen),
        low_s=time_s * interval.low_factor if interval else None,
        high_s=time_s * interval.high_factor if interval else None,
        bound_s=tuple(sorted(bound_s.items(), key=lambda item: -item[1])),
        macs=sum(node.macs for node, _ in chosen if node.engine == main.name),
        traffic_bytes=sum(cost.traffic_bytes for _, cost in chosen),
        peak_ops_per_s=peak,
        engines=main.count,
        most_runs_per_s=_most_runs_per_s(chosen, costs, profile),
        memory=_footprint(partition, plan, profile),
        kept=sum(node.macs > 0 and cost.scheme != scheme for node, cost in chosen),
        energy_j=_energy_j(chosen, profile),
    )


def _energy_j(chosen: list[tuple[NodeCost, SchemeCost]], profile: ChipProfile) -> float | None:
    """Sum up operations x joules an operation and bytes x joules a byte; None where one of them is blank."""
    per_byte = profile.dram.energy_per_byte_j.value
    total_j = 0.0
    for node, cost in chosen:
        per_op = profile.engine(node.engine).energy_per_op_j.get(cost.scheme, Quantity(None)).value
        if per_op is None or per_byte is None:
            return None
        total_j += (2 * node.macs + node.vector_ops) * per_op + cost.traffic_bytes * per_byte
    return total_j


def node_schemes(costs: CostReport, plan: PrecisionPlan) -> list[tuple[NodeCost, SchemeCost]]:
    """Give each node with its cost at its planned scheme."""
    schemes = plan.scheme_of()
    return [(node, node.at(schemes.get(node.node, ""))) for node in costs.nodes]


def _most_runs_per_s(
    chosen: list[tuple[NodeCost, SchemeCost]], costs: CostReport, profile: ChipProfile
) -> float:
    """Bound the rate of runs: no engine works, and the memory moves, more than all of the time."""
    busy_s: dict[str, float] = {}
    for node, cost in chosen:
        busy_s[node.engine] = busy_s.get(node.engine, 0.0) + cost.time_s / profile.engine(node.engine).count
    traffic = sum(cost.traffic_bytes for _, cost in chosen)
    slowest = max([*busy_s.values(), traffic / _bandwidth(costs)], default=0.0)
    return 1 / slowest if slowest > 0 else 0.0


def _bandwidth(costs: CostReport) -> float:
    return costs.roofs[0].bandwidth_bytes_per_s


def _footprint(partition: Partition, plan: PrecisionPlan, profile: ChipProfile) -> Footprint:
    """Plan the memory without searching: the greedy rules' arenas."""
    memory = plan_memory(partition, plan, profile=profile, params=MemoryParams(search_nodes=0, banks=False))
    placed = dict(memory.placement)
    sizes = [(arena.owner, arena.size_bytes) for arena in memory.arenas] + [("state", memory.state_bytes)]
    return Footprint(
        weight_bytes=memory.weight_bytes,
        activation_bytes=sum(size for _, size in sizes),
        on_chip_bytes=sum(size for owner, size in sizes if placed.get(owner) == "sram"),
        unsized=len(memory.unsized),
    )


def _coverage(network: ReadNetwork, made: Draft, profile: ChipProfile) -> Coverage:
    main = profile.engines[0]
    chosen = node_schemes(made.costs, made.plan)
    inside = [node for node, _ in chosen if node.engine == main.name]
    count, size = _handovers(made.partition, made.plan)
    return Coverage(
        engine=main.name,
        nodes=len(chosen),
        nodes_on_engine=len(inside),
        macs=sum(node.macs for node, _ in chosen),
        macs_on_engine=sum(node.macs for node in inside),
        off_engine=tuple(_off_engine(made, chosen, profile)),
        handovers=count,
        handover_bytes=size,
        handover_s=2 * size / _bandwidth(made.costs),
        ideal_s=_ideal_s(network, made, profile),
        special=tuple(special_convolutions(network.graph)),
        toolchains=tuple(toolchain_coverage(network.graph, profile.name)),
    )


def _off_engine(
    made: Draft, chosen: list[tuple[NodeCost, SchemeCost]], profile: ChipProfile
) -> Iterator[OffEngine]:
    """Group what the main engine does not run by operator and engine, most time first."""
    main = profile.engines[0]
    reasons = {segment.name: segment.reason for segment in made.partition.segments}
    unknown = {name for segment in made.partition.segments for name in unknown_operators(segment.graph)}
    groups: dict[tuple[str, str], list[tuple[NodeCost, SchemeCost]]] = {}
    for node, cost in chosen:
        if node.engine != main.name:
            groups.setdefault((node.op, node.engine), []).append((node, cost))
    found = []
    for (op, engine), same in groups.items():
        lacking = f"{main.name} does not run {op}"
        reason = reasons[same[0][0].segment] if main.supports(op) else lacking
        found.append(
            OffEngine(
                op=op,
                engine=engine,
                nodes=len(same),
                macs=sum(node.macs for node, _ in same),
                time_s=sum(cost.time_s for _, cost in same),
                reason=reason,
                custom=op in unknown,
            )
        )
    yield from sorted(found, key=lambda item: -item.time_s)


def _handovers(partition: Partition, plan: PrecisionPlan) -> tuple[int, int]:
    """Count the tensors that pass from one engine to another, and their bytes as they are stored."""
    stored, _ = stored_tensors(partition, plan)
    writer = {name: segment.engine for segment in partition.segments for name in segment.graph.outputs}
    passed = {
        (name, segment.engine)
        for segment in partition.segments
        for name in segment.graph.inputs
        if writer.get(name, segment.engine) != segment.engine
    }
    return len(passed), sum(stored[name].size_bytes for name, _ in passed if name in stored)


def _ideal_s(network: ReadNetwork, made: Draft, profile: ChipProfile) -> float:
    if all(node.engine == profile.engines[0].name for node in made.costs.nodes):
        return sum(cost.time_s for _, cost in node_schemes(made.costs, made.plan))
    costs, plan = all_on_main(network, made.scheme, profile)
    return sum(cost.time_s for _, cost in node_schemes(costs, plan))


def all_on_main(network: ReadNetwork, scheme: str, profile: ChipProfile) -> tuple[CostReport, PrecisionPlan]:
    """Cost the network as if the main engine ran every operator."""
    able = dataclasses.replace(profile.engines[0], operators=("*",))
    chip = dataclasses.replace(profile, engines=(able, *profile.engines[1:]))
    partition, costs = draft(network, chip)
    return costs, plan_of(scheme, partition, costs, chip)


def _unknown_notices(graph: GraphInfo) -> Iterator[str]:
    unknown = unknown_operators(graph)
    if unknown:
        yield (
            f"no cost is known for {', '.join(unknown)}: only the bytes of their tensors are counted, so the "
            "latency is too short"
        )
