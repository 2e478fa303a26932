"""What a task's metrics say of the float and of the quantized networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricResult:
    """One metric on the same clips for both variants, with a paired bootstrap interval of the difference.

    `difference` = quantized - float; [difference_low, difference_high] is the 90 % interval over clips.
    """

    name: str
    unit: str
    better: Literal["higher", "lower", "none"]
    doc: str
    float_value: float
    float_low: float
    float_high: float
    quantized_value: float
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True)
class Shape:
    """One thing in a sketch: a closed outline, x to the right, y down, in the sketch's units.

    `role` is "label" for what is there, "hidden" for what is there and cannot be seen now, "found" for a
    right answer and "false" for a wrong one.
    """

    role: Literal["label", "hidden", "found", "false"]
    points: tuple[tuple[float, float], ...]
    text: str = ""


@dataclass(frozen=True)
class FrameSketch:
    """What networks made of one frame, within [0, width] x [0, height]; `caption` counts it in words."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    caption: str


@dataclass(frozen=True)
class ClipSketch:
    """A clip's frames by the float and by the quantized networks, with its main metric of both.

    Of a long clip's `frame_count` frames, those drawn are evenly spread.
    """

    clip: int
    metric: str
    float_value: float
    quantized_value: float
    float_frames: tuple[FrameSketch, ...]
    quantized_frames: tuple[FrameSketch, ...]
    frame_count: int


@dataclass(frozen=True)
class Evaluation:
    """Task metrics over `clips` unseen clips, all networks of the pipeline together.

    `sketches` are of the clips whose main metric suffers most, the worst first.
    """

    task: str
    clips: int
    metrics: tuple[MetricResult, ...]
    notices: tuple[str, ...] = ()
    sketches: tuple[ClipSketch, ...] = ()
