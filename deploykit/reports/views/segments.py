"""Views by segment and by precision: sums over the nodes' rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deploykit.artifacts.dumps import TensorDifference
from deploykit.artifacts.results import NetworkResults
from deploykit.reports.views.dumps import is_equal, worst_first
from deploykit.reports.views.nouns import NodeRow, PrecisionGroup, SegmentRow, WorstDump
from deploykit.reports.views.numbers import finite, share


def segment_rows(result: NetworkResults, rows: Sequence[NodeRow]) -> tuple[SegmentRow, ...]:
    """Give one row a segment, in execution order, from whatever steps were run."""
    by_name = {segment.name: segment for segment in result.partition.segments} if result.partition else {}
    planned = {node.node: node.scheme for node in result.plan.nodes} if result.plan else {}
    weights = _weight_bytes(result)
    found = []
    for name in dict.fromkeys([*by_name, *(row.segment for row in rows)]):
        nodes = [row for row in rows if row.segment == name]
        segment = by_name.get(name)
        ids = [node.id for node in segment.graph.nodes] if segment else []
        schemes = [row.scheme for row in nodes] or [planned[node] for node in ids if node in planned]
        found.append(
            SegmentRow(
                network=result.network,
                segment=name,
                engine=segment.engine if segment else nodes[0].engine,
                reason=segment.reason if segment else "",
                nodes=len(nodes) or len(ids),
                schemes=tuple(Counter(schemes).most_common()),
                macs=sum(row.macs for row in nodes) if nodes else None,
                time_s=sum(row.time_s for row in nodes) if nodes else None,
                time_share=sum(row.time_share for row in nodes) if nodes else None,
                traffic_bytes=sum(row.traffic_bytes for row in nodes) if nodes else None,
                weight_bytes=weights.get(name),
                worst=_worst(result, name),
            )
        )
    return tuple(found)


def precision_groups(result: NetworkResults, rows: Sequence[NodeRow]) -> tuple[PrecisionGroup, ...]:
    """Group nodes by scheme and reason, most nodes first; without costs, from the plan alone."""
    if result.plan is None:
        return ()
    macs = sum(row.macs for row in rows)
    grouped: dict[tuple[str, str], list[NodeRow]] = {}
    for row in rows:
        grouped.setdefault((row.scheme, row.reason), []).append(row)
    if not rows:
        names: dict[tuple[str, str], list[str]] = {}
        for node in result.plan.nodes:
            names.setdefault((node.scheme, node.reason), []).append(node.node)
        groups = [PrecisionGroup(*key, tuple(found), None, None) for key, found in names.items()]
    else:
        groups = [
            PrecisionGroup(
                *key,
                tuple(row.node for row in found),
                share(sum(row.macs for row in found), macs),
                sum(row.time_share for row in found),
            )
            for key, found in grouped.items()
        ]
    return tuple(sorted(groups, key=lambda group: -len(group.nodes)))


def _weight_bytes(result: NetworkResults) -> dict[str, int]:
    schemes = result.plan.scheme_of() if result.plan else {}
    found: Counter[str] = Counter()
    for node in result.costs.nodes if result.costs else ():
        found[node.segment] += node.at(schemes.get(node.node, "")).weight_bytes
    return dict(found)


def _worst(result: NetworkResults, segment: str) -> WorstDump | None:
    tensors: list[TensorDifference] = []
    if result.comparison is not None:
        tensors = [tensor for tensor in result.comparison.tensors if tensor.segment == segment]
    if not tensors:
        return None
    worst = min(tensors, key=worst_first)
    failed = sum(not tensor.passed for tensor in tensors)
    return WorstDump(worst.name, finite(worst.sqnr_db), is_equal(worst), finite(worst.max_abs), failed)
