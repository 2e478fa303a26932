"""Views of the task's metrics."""

from __future__ import annotations

import math

from deploykit.artifacts.evaluation import ClipSketch, Evaluation, FrameSketch, MetricResult, Shape
from deploykit.reports.views.nouns.tasks import (
    MetricRow,
    Outline,
    SketchedClip,
    SketchedFrame,
    TaskView,
    Verdict,
)
from deploykit.reports.views.numbers import finite

STROKES = 200
"""A line of a sketch is this part of its longer side."""

FONT = 5
"""A text is as high as this many lines are wide."""


def task_view(evaluation: Evaluation | None) -> TaskView | None:
    """Give each metric with its verdict and its place on the interval bar."""
    if evaluation is None:
        return None
    unit = {metric.name: metric.unit for metric in evaluation.metrics}
    return TaskView(
        evaluation.task,
        evaluation.clips,
        tuple(_row(metric) for metric in evaluation.metrics),
        tuple(_clip(sketch, unit[sketch.metric]) for sketch in evaluation.sketches),
    )


def _clip(sketch: ClipSketch, unit: str) -> SketchedClip:
    pairs = zip(sketch.float_frames, sketch.quantized_frames, strict=True)
    return SketchedClip(
        sketch.clip,
        sketch.metric,
        unit,
        sketch.float_value,
        sketch.quantized_value,
        tuple((_frame(before), _frame(after)) for before, after in pairs),
        sketch.frame_count,
    )


def _frame(sketch: FrameSketch) -> SketchedFrame:
    stroke = max(sketch.width, sketch.height) / STROKES
    outlines = tuple(_outline(shape, stroke) for shape in sketch.shapes)
    return SketchedFrame(sketch.width, sketch.height, stroke, FONT * stroke, outlines, sketch.caption)


def _outline(shape: Shape, stroke: float) -> Outline:
    """Put the text above the shape, whatever corner comes first; at the upper edge, where it still shows."""
    left, top = (min(values) for values in zip(*shape.points, strict=True))
    points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
    return Outline(shape.role, points, shape.text, left, max(top - stroke, FONT * stroke))


def verdict(metric: MetricResult) -> Verdict:
    """Judge the difference: clear only where its 90 % interval leaves out zero."""
    low, high = metric.difference_low, metric.difference_high
    if not (math.isfinite(low) and math.isfinite(high)):
        return "unmeasured"
    if low <= 0 <= high:
        return "unclear"
    if metric.better == "none":
        return "changed"
    return "better" if (low > 0) == (metric.better == "higher") else "worse"


def _row(metric: MetricResult) -> MetricRow:
    low, middle, high = (
        finite(value) for value in (metric.difference_low, metric.difference, metric.difference_high)
    )
    reach = max((abs(value) for value in (low, middle, high) if value is not None), default=0.0)
    return MetricRow(
        name=metric.name,
        unit=metric.unit,
        better=metric.better,
        doc=metric.doc,
        float_value=finite(metric.float_value),
        float_low=finite(metric.float_low),
        float_high=finite(metric.float_high),
        quantized_value=finite(metric.quantized_value),
        difference=middle,
        difference_low=low,
        difference_high=high,
        verdict=verdict(metric),
        low_at=_place(low, reach),
        value_at=_place(middle, reach),
        high_at=_place(high, reach),
    )


def _place(value: float | None, reach: float) -> float | None:
    """Put a difference on a line from 0 to 100; the ends are left free so that the whiskers' caps show."""
    if value is None:
        return None
    return round(50 + 44 * value / reach, 2) if reach > 0 else 50.0
