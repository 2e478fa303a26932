"""The page of a cost grid: one file in which chip, precision and sizes are chosen, without a network."""

from __future__ import annotations

import math
from typing import Any

from deploykit.reports import units
from deploykit.reports.charts import Columns, compact, label, roof_columns
from deploykit.reports.html import render_page
from deploykit.reports.views.explorer import ExplorerView, PointNode, PointView

ABSENT = "This chip has no engine with that precision; choose another."


def write_explorer(view: ExplorerView) -> str:
    """Give the whole page as text; the caller writes it."""
    measured = any(node.measured_s is not None for point in view.points for node in point.nodes)
    charts = {
        "axes": [axis.values for axis in view.axes],
        "names": [units.printable(name) for name, _ in view.nodes],
        "labels": [label(name) for name, _ in view.nodes],
        "ops": [units.printable(op) for _, op in view.nodes],
        "picture": {"columns": view.picture.columns, "rows": view.picture.rows, "edges": view.picture.edges},
        "absent": ABSENT,
        "points": [_point(point, measured) for point in view.points],
    }
    return render_page("explorer.html", "explorer.js", charts, view=view, measured=measured)


def _point(point: PointView, measured: bool) -> Columns:
    nodes = point.nodes
    return {
        "place": point.place,
        "facts": _facts(point),
        "notices": [f"{notice.rstrip('.')}." for notice in point.notices],
        "roofs": [roof_columns(roof) for roof in point.roofs],
        "nodes": {
            "index": [node.index for node in nodes],
            "x": [compact(node.intensity or None) for node in nodes],
            "y": [compact(node.rate_ops_per_s) for node in nodes],
            "measured_y": [_measured_rate(node) for node in nodes],
            "bound": [node.bound for node in nodes],
            "dot": [round(6 + 24 * math.sqrt(node.time_share), 1) for node in nodes],
            "text": [_text(node) for node in nodes],
            "cells": [_cells(node, measured) for node in nodes],
        },
    }


def _facts(point: PointView) -> list[tuple[str, str, str]]:
    shares = ", ".join(f"{units.percent(share)} by {bound}" for bound, share in point.bound_share)
    per_s = units.measure(1 / point.time_s) if point.time_s else units.NOTHING
    return [
        ("Latency", units.duration(point.time_s), f"{per_s} runs/s, one after another"),
        ("Bound", point.bound_share[0][0] if point.bound_share else units.NOTHING, shares),
        ("Work", units.quantity(point.macs, "MACs"), f"{len(point.nodes)} nodes"),
        ("Off-chip traffic", units.size(point.traffic_bytes), "a run"),
    ]


def _cells(node: PointNode, measured: bool) -> list[tuple[Any, ...]]:
    """Give the table's cells: a text, and what a number is sorted by."""
    cells: list[tuple[Any, ...]] = [
        (f"{node.engine} {node.scheme}",),
        (units.quantity(node.macs, ""), node.macs),
        (units.size(node.traffic_bytes), node.traffic_bytes),
        (units.measure(node.intensity), node.intensity),
        (node.bound,),
        (units.duration(node.time_s), node.time_s),
        (units.percent(node.time_share), node.time_share),
    ]
    if measured:
        cells.append((units.duration(node.measured_s), -1 if node.measured_s is None else node.measured_s))
    return cells


def _text(node: PointNode) -> str:
    lines = [
        f"{node.scheme} on {label(node.engine)}",
        f"{units.quantity(node.macs, 'MACs')}, {units.size(node.traffic_bytes)}, "
        f"{units.measure(node.intensity)} operations a byte",
        f"{units.duration(node.time_s)} ({units.percent(node.time_share)}), bound by {node.bound}",
    ]
    if node.measured_s is not None:
        lines.append(f"measured {units.duration(node.measured_s)}")
    return "<br>".join(lines)


def _measured_rate(node: PointNode) -> float | None:
    return compact(node.operations / node.measured_s) if node.measured_s and node.operations else None
