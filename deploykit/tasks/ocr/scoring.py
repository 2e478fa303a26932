"""How well a page was read: which lines were found, and what they were read as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deploykit.artifacts.evaluation import FrameSketch, Shape
from deploykit.tasks.ocr.boxes import Points
from deploykit.tasks.ocr.page import TextLine
from deploykit.tasks.protocol import MetricSpec, Record

FOUND_OVERLAP = 0.5

METRICS = (
    MetricSpec("line_exact_match", "%", "higher", "lines that are read without a single wrong character"),
    MetricSpec(
        "character_error_rate",
        "%",
        "lower",
        "edits (insert, delete, replace) to the truth per character of it",
    ),
    MetricSpec(
        "detection_recall", "%", "higher", "lines that a box covers with an overlap (IoU) of at least 0.5"
    ),
    MetricSpec("detection_precision", "%", "higher", "boxes that cover a line"),
    MetricSpec(
        "direction_accuracy", "%", "higher", "found lines whose direction (upright, upside down) is right"
    ),
)


@dataclass(frozen=True)
class Reading:
    """What the networks made of one box."""

    corners: Points
    text: str
    upside_down: bool


def score_page(lines: Sequence[TextLine], readings: Sequence[Reading]) -> Record:
    """Compare a page's readings with the truth; a line that no box covers counts as read empty."""
    matches = match_boxes([line.corners for line in lines], [reading.corners for reading in readings])
    rows = []
    for index, line in enumerate(lines):
        reading = readings[matches[index]] if index in matches else None
        read = reading.text if reading else ""
        rows.append(
            {
                "text": line.text,
                "read": read,
                "edits": edit_distance(line.text, read),
                "found": reading is not None,
                "direction_right": reading is not None and reading.upside_down == line.upside_down,
            }
        )
    return {"lines": rows, "boxes": len(readings)}


def summarise_pages(records: Sequence[Record]) -> dict[str, float]:
    """Give all metrics over these pages, in %."""
    rows: list[dict[str, Any]] = [row for record in records for row in record["lines"]]
    found = sum(row["found"] for row in rows)
    return {
        "line_exact_match": _percent(sum(row["edits"] == 0 for row in rows), len(rows)),
        "character_error_rate": _percent(
            sum(row["edits"] for row in rows), sum(len(row["text"]) for row in rows)
        ),
        "detection_recall": _percent(found, len(rows)),
        "detection_precision": _percent(found, sum(record["boxes"] for record in records)),
        "direction_accuracy": _percent(sum(row["direction_right"] for row in rows), found),
    }


def sketch_page(
    lines: Sequence[TextLine], readings: Sequence[Reading], width: int, height: int
) -> FrameSketch:
    """Draw a page in pixels: the lines with their text, the boxes with what was read, false unless exact."""
    matches = match_boxes([line.corners for line in lines], [reading.corners for reading in readings])
    line_of = {reading: line for line, reading in matches.items()}
    shapes = [Shape("label", _points(line.corners), line.text) for line in lines]
    exact = 0
    for index, reading in enumerate(readings):
        right = index in line_of and lines[line_of[index]].text == reading.text
        exact += right
        shapes.append(Shape("found" if right else "false", _points(reading.corners), reading.text))
    caption = f"{exact} of {len(lines)} lines exact, {len(readings)} boxes"
    return FrameSketch(float(width), float(height), tuple(shapes), caption)


def _points(corners: Points) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in corners)


def edit_distance(truth: str, read: str) -> int:
    """Count the fewest insertions, deletions and replacements between two texts (Levenshtein)."""
    above = list(range(len(read) + 1))
    for row, wanted in enumerate(truth, start=1):
        current = [row]
        for column, got in enumerate(read, start=1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (wanted != got)))
        above = current
    return above[-1]


def match_boxes(truth: Sequence[Points], found: Sequence[Points]) -> dict[int, int]:
    """Pair each true box with at most one found box, the best overlaps first."""
    pairs = [(overlap(one, other), i, j) for i, one in enumerate(truth) for j, other in enumerate(found)]
    matches: dict[int, int] = {}
    for value, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if value >= FOUND_OVERLAP and i not in matches and j not in matches.values():
            matches[i] = j
    return matches


def overlap(one: Points, other: Points) -> float:
    """Give the intersection over union of two boxes' upright hulls."""
    low = np.maximum(one.min(0), other.min(0))
    high = np.minimum(one.max(0), other.max(0))
    common = float(np.prod(np.maximum(high - low, 0)))
    areas = sum(float(np.prod(box.max(0) - box.min(0))) for box in (one, other))
    return common / (areas - common)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else float("nan")
