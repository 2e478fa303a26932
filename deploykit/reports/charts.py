"""The page's charts as compact columns: hover texts are finished here, the script only draws.

Plotly reads a little HTML in its texts, so every name from a model is escaped before it goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, TypeAlias

from deploykit.reports import units
from deploykit.reports.views.nouns.costs import NodeRow, RoofLine
from deploykit.reports.views.nouns.dumps import DumpsView, TensorRow
from deploykit.reports.views.nouns.memory import ArenaView, BanksView, Rectangle
from deploykit.reports.views.nouns.precision import PlanPoint, SensitivityView, TradeoffView
from deploykit.reports.views.nouns.run import NetworkView, RunView
from deploykit.reports.views.nouns.schedule import Bar, ScheduleView

Columns: TypeAlias = dict[str, Any]
AXIS_LABEL_WIDTH = 34
DEADLINES_SHOWN = 60
"""With more of them the picture would be all lines."""


def page_charts(view: RunView) -> Columns:
    """Give all charts of a page: one entry a network, in order, and the schedule."""
    return {
        "networks": [network_charts(network) for network in view.networks],
        "schedule": (
            schedule_chart(view.schedule, [network.network for network in view.networks])
            if view.schedule
            else None
        ),
    }


def network_charts(network: NetworkView) -> Columns:
    """Give one network's charts; None for what was not run."""
    segments = [segment.segment for segment in network.segments]
    return {
        "segments": [label(segment) for segment in segments],
        "roofline": roofline_chart(network, segments) if network.nodes else None,
        "hot": hot_chart(network, segments) if network.nodes else None,
        "memory": [arena_chart(arena) for arena in network.memory.arenas] if network.memory else [],
        "vendor_memory": [
            memory_chart(boxes, total=max(box.offset_bytes + box.size_bytes for box in boxes))
            for segment in (network.cross_check.segments if network.cross_check else ())
            for _, boxes in segment.rectangles
        ],
        "banks": banks_chart(network.memory.banks) if network.memory and network.memory.banks else None,
        "depth": depth_chart(network.dumps, segments) if network.dumps else None,
        "frames": frames_chart(network.dumps) if network.dumps else [],
        "sensitivity": sensitivity_chart(network.sensitivity) if network.sensitivity else None,
        "tradeoff": tradeoff_chart(network.tradeoff, network.network) if network.tradeoff else None,
        "maps": [
            {
                "rows": picture.rows,
                "columns": picture.columns,
                "percents": picture.percents,
                "peak": picture.peak,
            }
            for picture in (network.dumps.heat_maps if network.dumps else ())
        ],
    }


def label(name: str, width: int = 60) -> str:
    """Make a name from a model safe and short enough for a chart."""
    return escape(units.shortened(units.printable(name), width), quote=False)


def compact(value: float | None) -> float | None:
    """Drop digits that no screen shows."""
    return None if value is None else float(f"{value:.5g}")


def roofline_chart(network: NetworkView, segments: list[str]) -> Columns:
    """Give nodes with arithmetic as points, roofs as lines of three points."""
    nodes = [node for node in network.nodes if node.rate_ops_per_s is not None and node.intensity]
    return {
        "x": [compact(node.intensity) for node in nodes],
        "y": [compact(node.rate_ops_per_s) for node in nodes],
        "segment": [segments.index(node.segment) for node in nodes],
        "bound": [node.bound for node in nodes],
        "text": [_node_text(node) for node in nodes],
        "roofs": [roof_columns(roof) for roof in network.roofs],
    }


def hot_chart(network: NetworkView, segments: list[str]) -> Columns:
    """Give the nodes that take most time, most first."""
    nodes = [network.nodes[hot.index] for hot in network.hot]
    return {
        "label": [label(node.node, AXIS_LABEL_WIDTH) for node in nodes],
        "time_s": [compact(node.time_s) for node in nodes],
        "segment": [segments.index(node.segment) for node in nodes],
        "reach_s": compact(1.45 * max(node.time_s for node in nodes)),
        "note": [
            f"{units.percent(node.time_share)}, together {units.percent(hot.cumulative_share)}"
            for node, hot in zip(nodes, network.hot, strict=True)
        ],
        "text": [_node_text(node) for node in nodes],
    }


def arena_chart(arena: ArenaView) -> Columns:
    """Give an arena's buffers as rectangles in steps x bytes."""
    return memory_chart(arena.rectangles, total=arena.size_bytes, bound=arena.lower_bound_bytes)


def memory_chart(boxes: Sequence[Rectangle], *, total: int, bound: int | None = None) -> Columns:
    """Give buffers as rectangles; without a bound, both lines lie at the total."""
    return {
        "first": [box.first_step for box in boxes],
        "steps": [box.end_step - box.first_step for box in boxes],
        "offset": [box.offset_bytes for box in boxes],
        "size": [box.size_bytes for box in boxes],
        "text": [
            f"<b>{label(box.label)}</b><br>{units.size(box.size_bytes)} at {units.size(box.offset_bytes)}"
            f"<br>steps {box.first_step} to {box.end_step - 1}"
            for box in boxes
        ],
        "last": max((box.end_step for box in boxes), default=1),
        "total": total,
        "bound": total if bound is None else bound,
    }


def banks_chart(banks: BanksView) -> Columns:
    """Give what lies on chip as rectangles in steps x bytes, bank above bank, by kind."""
    boxes = banks.boxes
    return {
        "kind": [box.kind for box in boxes],
        "first": [box.rectangle.first_step for box in boxes],
        "steps": [box.rectangle.end_step - box.rectangle.first_step for box in boxes],
        "offset": [box.bank * banks.bank_bytes + box.rectangle.offset_bytes for box in boxes],
        "size": [box.rectangle.size_bytes for box in boxes],
        "text": [
            f"<b>{label(box.rectangle.label)}</b><br>{box.kind}, {units.size(box.rectangle.size_bytes)} at "
            f"{units.size(box.rectangle.offset_bytes)} of bank {box.bank}"
            f"<br>steps {box.rectangle.first_step} to {box.rectangle.end_step - 1}"
            + (f"<br>{box.note}" if box.note else "")
            for box in boxes
        ],
        "last": banks.steps,
        "banks": banks.bank_count,
        "bank_bytes": banks.bank_bytes,
    }


def depth_chart(dumps: DumpsView, segments: list[str]) -> Columns:
    """Give the SQNR of each tensor in execution order; equal tensors lie on their own level."""
    rows = [row for row in dumps.tensors if row.sqnr_db is not None or row.equal]
    known = {name: index for index, name in enumerate(segments)}
    first = next((row for row in rows if row.tensor == dumps.first_divergence), None)
    return {
        "x": [row.position for row in rows],
        "y": [dumps.equal_level_db if row.equal else compact(row.sqnr_db) for row in rows],
        "line": [None if row.equal else compact(row.sqnr_db) for row in rows],
        "equal": [row.equal for row in rows],
        "passed": [row.passed for row in rows],
        "segment": [known.get(row.segment, -1) for row in rows],
        "text": [_tensor_text(row) for row in rows],
        "equal_level": dumps.equal_level_db,
        "first": first
        and {"x": first.position, "y": compact(first.sqnr_db), "label": label(first.tensor, 40)},
    }


def frames_chart(dumps: DumpsView) -> list[Columns]:
    """Give one line a tensor."""
    return [
        {"label": label(curve.tensor, 44), "y": [compact(value) for value in curve.sqnr_db]}
        for curve in dumps.frames
    ]


def sensitivity_chart(view: SensitivityView) -> Columns:
    """Give one point a layer and scheme."""
    return {
        "label": [label(row.layer, AXIS_LABEL_WIDTH) for row in view.rows],
        "unit": view.unit,
        "schemes": [
            {
                "name": scheme,
                "level": [compact(dict(row.levels).get(scheme)) for row in view.rows],
                "whole": compact(dict(view.whole).get(scheme)),
            }
            for scheme in view.schemes
        ],
    }


def tradeoff_chart(view: TradeoffView, network: str) -> Columns:
    """Give the front's plans by cost and error, each with the option that takes it.

    An error of 0 has no place on a logarithmic axis.
    """
    take = f"<br>to take it: --set networks.{escape(network)}.precision.budget.point="
    return {
        "cost": [compact(point.cost) for point in view.front],
        "error": [compact(point.error or None) for point in view.front],
        "text": [f"{_plan_text(point)}{take}{index}" for index, point in enumerate(view.front)],
        "chosen": {
            "cost": compact(view.chosen.cost),
            "error": compact(view.chosen.error or None),
            "text": _plan_text(view.chosen),
        },
        "measured": compact(view.measured_error or None),
        "by_size": view.by_size,
    }


def _plan_text(point: PlanPoint) -> str:
    counts = ", ".join(f"{scheme} {count}" for scheme, count in point.schemes)
    return (
        f"<b>{units.duration(point.time_s)}, weights {units.size(point.weight_bytes)}</b>"
        f"<br>error {units.measure(point.error)}<br>layers: {counts}"
    )


def schedule_chart(schedule: ScheduleView, order: list[str]) -> Columns:
    """Give runs as bars in seconds, lanes from the top."""
    deadlines = sorted({round(deadline.time_s, 9) for deadline in schedule.deadlines})
    shown = {bar.network for bar in schedule.bars}
    networks = [name for name in order if name in shown] + sorted(shown.difference(order))
    return {
        "lanes": [
            f"{label(lane.engine)}<br>{units.percent(lane.utilisation)} busy" for lane in schedule.lanes
        ],
        "networks": [label(name) for name in networks],
        "lane": [bar.lane for bar in schedule.bars],
        "network": [networks.index(bar.network) for bar in schedule.bars],
        "start_s": [round(bar.start_s, 9) for bar in schedule.bars],
        "length_s": [round(bar.end_s - bar.start_s, 9) for bar in schedule.bars],
        "late": [bar.late for bar in schedule.bars],
        "label": [label(bar.segment, 20) for bar in schedule.bars],
        "text": [_bar_text(bar) for bar in schedule.bars],
        "first_frames_s": compact(schedule.first_frames_s),
        "deadlines_s": deadlines if len(deadlines) <= DEADLINES_SHOWN else [],
    }


def _node_text(node: NodeRow) -> str:
    lines = (
        f"<b>{label(node.node)}</b>",
        f"{label(node.op)} in {label(node.segment)}, {node.scheme} on {label(node.engine)}",
        f"{units.quantity(node.macs, 'MACs')}, {units.size(node.traffic_bytes)}, "
        f"{units.measure(node.intensity)} operations a byte",
        f"{units.duration(node.time_s)} ({units.percent(node.time_share)}), bound by {node.bound}",
    )
    return "<br>".join(lines)


def roof_columns(roof: RoofLine) -> Columns:
    """Give a roof as a line of three points, with what it says when it is pointed at."""
    name = f"{label(roof.engine)} {label(roof.scheme)}"
    each = f", each of {roof.count}" if roof.count > 1 else ""
    return {
        "name": name,
        "x": [compact(x) for x, _ in roof.points],
        "y": [compact(y) for _, y in roof.points],
        "note": f"{name}, {units.quantity(roof.peak_ops_per_s, 'OPS')}{each}",
        "text": f"<b>{name}</b><br>ridge at {units.measure(roof.points[1][0])} operations a byte"
        f"<br>peak {units.quantity(roof.peak_ops_per_s, 'OPS')}"
        f"<br>memory {units.quantity(roof.bandwidth_bytes_per_s, 'B/s')}<br>{label(roof.source)}",
    }


def _tensor_text(row: TensorRow) -> str:
    lines = (
        f"<b>{label(row.tensor)}</b>",
        f"written by {label(row.node)} in {label(row.segment)}",
        f"SQNR {units.decibel(row.sqnr_db, row.equal)}, cosine {units.cosine(row.cosine)}, "
        f"relative L2 {units.measure(row.relative_l2)}",
        f"largest difference {units.measure(row.max_abs)} at {row.max_abs_place}",
    )
    return "<br>".join(lines) + (
        "" if row.passed else f"<br><b>{label(row.reason or 'did not pass', 90)}</b>"
    )


def _bar_text(bar: Bar) -> str:
    slack = (
        f"{units.duration(abs(bar.deadline_s - bar.end_s))} {'late' if bar.late else 'before its deadline'}"
    )
    return (
        f"<b>{label(bar.network)}.{label(bar.segment)}</b>, frame {bar.frame}<br>"
        f"{units.duration(bar.start_s)} to {units.duration(bar.end_s)}, "
        f"takes {units.duration(bar.end_s - bar.start_s)}<br>{slack}"
    )
