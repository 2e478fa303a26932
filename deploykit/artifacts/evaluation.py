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
class Evaluation:
    """Task metrics over `clips` unseen clips, all networks of the pipeline together."""

    task: str
    clips: int
    metrics: tuple[MetricResult, ...]
    notices: tuple[str, ...] = ()
