"""Views by segment and by precision: sums over the nodes' rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deploykit.artifacts.dumps import TensorDifference
from deploykit.artifacts.model import Segment
from deploykit.artifacts.results import NetworkResults
from deploykit.reports.views.costs import segment_totals
from deploykit.reports.views.dumps import is_equal, worst_first
from deploykit.reports.views.nouns.costs import NodeRow
from deploykit.reports.views.nouns.segments import PrecisionGroup, SegmentRow, WorstDump
from deploykit.reports.views.numbers import finite, share


def segment_rows(result: NetworkResults, rows: Sequence[NodeRow]) -> tuple[SegmentRow, ...]:
    """Give one row a segment, in execution order, from whatever steps were run."""
    by_name = {segment.name: segment for segment in result.partition.segments} if result.partition else {}
    totals = segment_totals(result)
    time_s = sum(total.time_s for total in totals.values())
    found = []
    for name in dict.fromkeys([*by_name, *totals]):
        segment, total = by_name.get(name), totals.get(name)
        schemes = _schemes(result, segment, [row for row in rows if row.segment == name])
        found.append(
            SegmentRow(
                network=result.network,
                segment=name,
                engine=segment.engine if segment else totals[name].engine,
                reason=segment.reason if segment else "",
                nodes=len(segment.graph.nodes) if segment else len(schemes),
                schemes=tuple(Counter(schemes).most_common()),
                macs=total.macs if total else None,
                time_s=total.time_s if total else None,
                time_share=share(total.time_s, time_s) if total else None,
                traffic_bytes=total.traffic_bytes if total else None,
                weight_bytes=total.weight_bytes if total else None,
                worst=_worst(result, name),
            )
        )
    return tuple(found)


def _schemes(result: NetworkResults, segment: Segment | None, rows: Sequence[NodeRow]) -> list[str]:
    """Give the scheme of each node as costed, or else as planned."""
    if rows or segment is None or result.plan is None:
        return [row.scheme for row in rows]
    planned = result.plan.scheme_of()
    return [planned[node.id] for node in segment.graph.nodes if node.id in planned]


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


def _worst(result: NetworkResults, segment: str) -> WorstDump | None:
    tensors: list[TensorDifference] = []
    if result.comparison is not None:
        tensors = [tensor for tensor in result.comparison.tensors if tensor.segment == segment]
    if not tensors:
        return None
    worst = min(tensors, key=worst_first)
    failed = sum(not tensor.passed for tensor in tensors)
    return WorstDump(worst.name, finite(worst.sqnr_db), is_equal(worst), finite(worst.max_abs), failed)
