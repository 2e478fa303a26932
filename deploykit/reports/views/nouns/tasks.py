"""The task's metrics, and clips drawn before and after quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["better", "worse", "changed", "unclear", "unmeasured"]


@dataclass(frozen=True)
class MetricRow:
    """One task metric. The `..._at` fields are places on a line from 0 to 100; 50 is "no difference"."""

    name: str
    unit: str
    better: Literal["higher", "lower", "none"]
    doc: str
    float_value: float | None
    float_low: float | None
    float_high: float | None
    quantized_value: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: Verdict
    low_at: float | None
    value_at: float | None
    high_at: float | None


@dataclass(frozen=True)
class Outline:
    """A shape of a sketch, ready for `<polygon points=...>`; `text` starts at (x, y), above it."""

    role: str
    points: str
    text: str
    x: float
    y: float


@dataclass(frozen=True)
class SketchedFrame:
    """One frame as one variant sees it; `stroke` is a line's width, `font` a text's size, in its units."""

    width: float
    height: float
    stroke: float
    font: float
    outlines: tuple[Outline, ...]
    caption: str


@dataclass(frozen=True)
class SketchedClip:
    """A clip before and after quantization: `frames` of its `frame_count`."""

    clip: int
    metric: str
    unit: str
    float_value: float
    quantized_value: float
    frames: tuple[tuple[SketchedFrame, SketchedFrame], ...]
    frame_count: int


@dataclass(frozen=True)
class TaskView:
    """The task's metrics over `clips` unseen clips."""

    task: str
    clips: int
    metrics: tuple[MetricRow, ...]
    sketches: tuple[SketchedClip, ...]
