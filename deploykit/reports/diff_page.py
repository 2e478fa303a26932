"""The page of a comparison: one file that opens from disk without a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from deploykit.align.pictures import Histogram, Maps, Picture
from deploykit.align.result import ALONE, Diff, TensorDiff
from deploykit.reports import units
from deploykit.reports.charts import Columns, compact, label
from deploykit.reports.html import render_page

EQUAL_DB = 200.0
"""Where equal tensors are drawn: no noise of a computation is that low."""

WORDS = {0: "all compared tensors match", 1: "tensors differ", 4: "not everything was compared"}


def write_diff_page(diff: Diff, pictures: Sequence[Picture]) -> str:
    """Give the whole page as text; the caller writes it."""
    compared = [item for item in diff.tensors if item.status == "compared"]
    drawn = {picture.name: index for index, picture in enumerate(pictures)}
    clip = _clip(compared)
    charts = {
        "depth": {**_depth(compared), "picture": [drawn.get(item.name) for item in compared]},
        "clip": clip,
        "pictures": [_picture(picture) for picture in pictures],
    }
    return render_page(
        "diff.html",
        "diff.js",
        charts,
        diff=diff,
        compared=compared,
        others=[item for item in diff.tensors if item.incomplete],
        failed=sum(item.passed is False for item in compared),
        verdict=WORDS[diff.exit_code],
        notes=list(dict.fromkeys([*diff.notes, *_notes(compared)])),
        alone=ALONE if any(ALONE in item.measures for item in compared) else "",
        pictures=pictures,
        clip=clip is not None,
        place=_place,
        inf=math.inf,
    )


def _notes(compared: Iterable[TensorDiff]) -> Iterable[str]:
    return (f"{item.name}: {note}" for item in compared for note in item.notes)


def _place(index: Sequence[int]) -> str:
    """Write where in a tensor something is; the first number is the frame."""
    if not index:
        return ""
    frame, *inside = index
    return f"{list(inside)} of frame {frame}" if frame else f"{list(inside)}"


def _depth(compared: Sequence[TensorDiff]) -> Columns:
    """Give the relative error of each tensor in the dump's order; None where equal: a logarithm has no 0."""
    return {
        "x": list(range(len(compared))),
        "y": [compact(_finite(item.measures["relative_l2"]) or None) for item in compared],
        "alone": [compact(_finite(item.measures.get(ALONE)) or None) for item in compared],
        "passed": [item.passed is not False for item in compared],
        "text": [
            f"<b>{label(item.name)}</b><br>relative L2 {units.measure(_finite(item.measures['relative_l2']))}"
            f"<br>SQNR {_level(item.measures['sqnr_db'])}"
            + (f"<br>{label(item.reason, 90)}" if item.passed is False else "")
            for item in compared
        ],
    }


def _level(value: float) -> str:
    return units.decibel(_finite(value), value == math.inf)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _clip(compared: Sequence[TensorDiff]) -> Columns | None:
    """Give SQNR by tensor and frame; None where there is one frame only."""
    shown = [item for item in compared if len(item.sqnr_db_by_frame) > 1]
    if not shown:
        return None
    frames = sorted({frame for item in shown for frame in item.frames})
    rows = []
    for item in shown:
        by_frame = dict(zip(item.frames, item.sqnr_db_by_frame, strict=False))
        rows.append([compact(_decibels(by_frame.get(frame))) for frame in frames])
    return {"frames": frames, "labels": [label(item.name, 34) for item in shown], "rows": rows}


def _decibels(value: float | None) -> float | None:
    """Keep a level drawable: equal is a high level, undefined and -infinity are none."""
    return EQUAL_DB if value == math.inf else _finite(value)


def _picture(picture: Picture) -> Columns:
    return {
        "maps": _map_columns(picture.maps) if picture.maps else None,
        "histogram": _histogram_columns(picture.histogram) if picture.histogram else None,
        "samples": {
            "index": picture.samples.index,
            "reference": picture.samples.reference,
            "board": picture.samples.board,
        },
        "is_line": picture.is_line,
        "channels": [compact(_decibels(value)) for value in picture.channel_sqnr_db],
    }


def _map_columns(maps: Maps) -> Columns:
    def grid(values: Sequence[float | None]) -> list[Sequence[float | None]]:
        return [values[row * maps.columns : (row + 1) * maps.columns] for row in range(maps.rows)]

    return {
        "title": f"plane {list(maps.index)}, {maps.height} x {maps.width}",
        "x": [column * maps.width / maps.columns for column in range(maps.columns)],
        "y": [row * maps.height / maps.rows for row in range(maps.rows)],
        "reference": grid(maps.reference),
        "board": grid(maps.board),
        "difference": grid(maps.difference),
    }


def _histogram_columns(histogram: Histogram) -> Columns:
    edges = histogram.edges
    return {
        "x": [compact((low + high) / 2) for low, high in pairwise(edges)],
        "reference": histogram.reference,
        "board": histogram.board,
    }
