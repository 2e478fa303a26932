"""Layers' sensitivity, and the plans to choose from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LevelRow:
    """One layer's level at each scheme; None where it makes no error or was not measured."""

    layer: str
    levels: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class SensitivityView:
    """Layers that harm the outputs most. `unit` "dB" is a signal-to-noise ratio: low is bad; other units are
    errors. `hidden` layers harm less than those shown; `whole` has all layers at a scheme."""

    unit: str
    explanation: str
    frames: int
    schemes: tuple[str, ...]
    rows: tuple[LevelRow, ...]
    hidden: int
    whole: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class PlanPoint:
    """One plan: `cost` is what is minimised (seconds or bytes), `schemes` count the layers at each."""

    cost: float
    time_s: float
    weight_bytes: int
    error: float
    schemes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TradeoffView:
    """Plans that none beats in both cost and error, and the chosen one; `gap_share` is the distance of its
    objective from the bound."""

    minimise: str
    status: str
    gap_share: float | None
    by_size: bool
    front: tuple[PlanPoint, ...]
    chosen: PlanPoint
    whole: bool
    measured_error: float | None
