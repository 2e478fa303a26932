"""Views of what a network costs: nodes, roofs, operators, engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploykit.artifacts.costs import CostReport, NodeCost, Roof, SchemeCost, SegmentTotal
from deploykit.artifacts.dumps import Comparison, TensorDifference
from deploykit.artifacts.precision import NodePrecision
from deploykit.artifacts.results import NetworkResults
from deploykit.core.profile import ChipProfile
from deploykit.reports.views.dumps import is_equal, worst_first
from deploykit.reports.views.nouns.costs import Fallback, HotNode, NodeRow, OpTotal, RoofLine
from deploykit.reports.views.numbers import finite, share

HOT_NODES = 20


def node_rows(result: NetworkResults) -> tuple[NodeRow, ...]:
    """Give every node at its planned scheme (its engine's first where it has none), in execution order."""
    if result.costs is None:
        return ()
    planned = {node.node: node for node in result.plan.nodes} if result.plan else {}
    schemes: dict[str, str] = {name: node.scheme for name, node in planned.items()}
    total_s = sum(node.at(schemes.get(node.node, "")).time_s for node in result.costs.nodes)
    written = _by_node(result.comparison)
    rows = []
    for node in result.costs.nodes:
        cost = node.at(schemes.get(node.node, ""))
        reason = _reason(node, cost, planned.get(node.node))
        rows.append(_node_row(node, cost, reason, total_s, written.get(node.node, [])))
    return tuple(rows)


def weight_bytes(result: NetworkResults) -> int | None:
    """Give the weights' size at the planned schemes, as the memory plan says or else by node."""
    if result.memory is not None:
        return result.memory.weight_bytes
    if result.costs is None:
        return None
    return sum(total.weight_bytes for total in segment_totals(result).values())


def segment_totals(result: NetworkResults) -> dict[str, SegmentTotal]:
    """Give each segment's sums at the planned schemes; none without costs."""
    if result.costs is None:
        return {}
    schemes = result.plan.scheme_of() if result.plan else {}
    return {total.segment: total for total in result.costs.segment_totals(schemes)}


def spec_time_s(result: NetworkResults) -> float | None:
    """Give the time by the data sheet's roofline; None where the predicted time is just that."""
    if result.costs is None:
        return None
    schemes: dict[str, str] = {**result.plan.scheme_of()} if result.plan else {}
    chosen = [node.at(schemes.get(node.node, "")) for node in result.costs.nodes]
    if all(cost.spec_time_s is None for cost in chosen):
        return None
    return sum(cost.roofline_s for cost in chosen)


def uniform_times(costs: CostReport | None, chip: ChipProfile) -> tuple[tuple[str, float], ...]:
    """Give the network's time with every node at one of the main engine's schemes, where offered."""
    if costs is None:
        return ()
    main = [node for node in costs.nodes if node.engine == chip.engines[0].name]
    schemes = dict.fromkeys(cost.scheme for node in main for cost in node.schemes)
    return tuple((scheme, sum(node.at(scheme).time_s for node in costs.nodes)) for scheme in schemes)


def hot_nodes(rows: Sequence[NodeRow]) -> tuple[HotNode, ...]:
    """Rank the nodes that take the most time."""
    order = sorted(range(len(rows)), key=lambda index: -rows[index].time_s)[:HOT_NODES]
    found, cumulative = [], 0.0
    for index in order:
        cumulative += rows[index].time_share
        found.append(HotNode(index, cumulative))
    return tuple(found)


def op_totals(rows: Sequence[NodeRow]) -> tuple[OpTotal, ...]:
    """Sum up by operator, most time first."""
    totals = []
    for op in dict.fromkeys(row.op for row in rows):
        same = [row for row in rows if row.op == op]
        totals.append(
            OpTotal(
                op,
                len(same),
                sum(row.macs for row in same),
                sum(row.time_s for row in same),
                sum(row.time_share for row in same),
            )
        )
    return tuple(sorted(totals, key=lambda total: -total.time_s))


def roof_lines(
    roofs: Sequence[Roof], intensities: Sequence[float], counts: Mapping[str, int]
) -> tuple[RoofLine, ...]:
    """Give each roof from left of all nodes to right of all nodes and ridges; `counts` by engine."""
    marks = [*intensities, *(roof.ridge_ops_per_byte for roof in roofs if roof.ridge_ops_per_byte > 0)]
    left, right = min(marks, default=1.0) / 2, max(marks, default=1.0) * 4
    return tuple(
        RoofLine(
            roof.engine,
            roof.scheme,
            roof.source,
            counts[roof.engine],
            roof.peak_ops_per_s,
            roof.bandwidth_bytes_per_s,
            (
                (left, roof.bandwidth_bytes_per_s * left),
                (roof.ridge_ops_per_byte, roof.peak_ops_per_s),
                (right, roof.peak_ops_per_s),
            ),
        )
        for roof in roofs
    )


def fallbacks(result: NetworkResults, rows: Sequence[NodeRow], chip: ChipProfile) -> tuple[Fallback, ...]:
    """Group the nodes that do not run on the chip's main engine by engine and operator, most time first."""
    main = chip.engines[0]
    reasons = (
        {segment.name: segment.reason for segment in result.partition.segments} if result.partition else {}
    )
    found = []
    for engine, op in dict.fromkeys((row.engine, row.op) for row in rows if row.engine != main.name):
        same = [row for row in rows if (row.engine, row.op) == (engine, op)]
        lacking = f"{main.name} does not run {op}"
        reason = reasons.get(same[0].segment, "") if main.supports(op) else lacking
        time_s = sum(row.time_s for row in same)
        found.append(Fallback(op, engine, len(same), time_s, sum(row.time_share for row in same), reason))
    return tuple(sorted(found, key=lambda fallback: -fallback.time_s))


def _by_node(comparison: Comparison | None) -> dict[str, list[TensorDifference]]:
    found: dict[str, list[TensorDifference]] = {}
    for tensor in comparison.tensors if comparison else ():
        found.setdefault(tensor.node, []).append(tensor)
    return found


def _reason(node: NodeCost, cost: SchemeCost, planned: NodePrecision | None) -> str:
    if planned is None:
        return f"no precision plan; the first scheme of {node.engine}"
    if planned.scheme != cost.scheme:
        return f"planned as {planned.scheme}, which {node.engine} does not offer"
    return planned.reason


def _node_row(
    node: NodeCost, cost: SchemeCost, reason: str, total_s: float, written: Sequence[TensorDifference]
) -> NodeRow:
    operations = 2 * node.macs + node.vector_ops
    worst = min(written, key=worst_first, default=None)
    return NodeRow(
        node=node.node,
        op=node.op,
        segment=node.segment,
        engine=node.engine,
        scheme=cost.scheme,
        reason=reason,
        macs=node.macs,
        operations=operations,
        traffic_bytes=cost.traffic_bytes,
        intensity=finite(cost.intensity),
        bound=cost.bound,
        time_s=cost.time_s,
        time_share=share(cost.time_s, total_s),
        rate_ops_per_s=operations / cost.time_s if operations and cost.time_s > 0 else None,
        sqnr_db=finite(worst.sqnr_db) if worst else None,
        equal=worst is not None and is_equal(worst),
    )
