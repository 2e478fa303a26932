"""Two runs of a network, tensor by tensor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRow:
    """One compared tensor at its place in execution order. `max_abs_place` is its index in words."""

    position: int
    tensor: str
    node: str
    segment: str
    cosine: float | None
    relative_l2: float | None
    sqnr_db: float | None
    equal: bool
    max_abs: float | None
    max_abs_place: str
    nan_count: int
    passed: bool
    reason: str
    """Which tolerance a tensor that did not pass exceeds."""


@dataclass(frozen=True)
class FrameCurve:
    """One tensor's SQNR frame by frame; None where it is undefined or the frames are equal."""

    tensor: str
    sqnr_db: tuple[float | None, ...]


@dataclass(frozen=True)
class HeatMapView:
    """A picture of |difference|, row by row, as whole percents of `peak`; None where undefined."""

    tensor: str
    rows: int
    columns: int
    percents: tuple[int | None, ...]
    peak: float | None


@dataclass(frozen=True)
class DumpsView:
    """Float against quantized, tensor by tensor. `equal_level_db` is where the plot draws equal tensors."""

    reference: str
    other: str
    tensors: tuple[TensorRow, ...]
    worst: tuple[TensorRow, ...]
    failed: int
    equal: int
    equal_level_db: float
    first_divergence: str | None
    divergence_reason: str
    frames: tuple[FrameCurve, ...]
    heat_maps: tuple[HeatMapView, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
