"""Views of what precision costs: each layer's sensitivity, and the plans that a budget was chosen from."""

from __future__ import annotations

import math
from collections import Counter

from deploykit.artifacts.precision import Tradeoff, TradeoffPoint
from deploykit.artifacts.sensitivity import LayerSensitivity, SchemeError, Sensitivity
from deploykit.reports.views.nouns.precision import LevelRow, PlanPoint, SensitivityView, TradeoffView
from deploykit.reports.views.numbers import finite

LAYERS = 40
MODES = {
    "measured": "one layer at the precision, all others float",
    "estimated": "the noise that the layer makes, times how much noise moves the outputs",
    "restored": "all layers at the precision but this one: a high level says that it did the harm",
    "off": "",
}


def sensitivity_view(found: Sensitivity | None) -> SensitivityView | None:
    """Give the layers that harm most at any scheme, in the network's order; None where nobody asked.

    Noise is shown as signal to noise in dB (low is bad), other measures as they are (high is bad).
    """
    if found is None or found.mode == "off" or not found.layers:
        return None
    decibel = found.measure == "noise"
    badness = {layer.layer: max(item.error for item in layer.errors) for layer in found.layers}
    upside = found.mode == "restored"  # the layer whose return leaves the least error is the worst
    worst = sorted(badness, key=lambda name: badness[name], reverse=not upside)[:LAYERS]
    schemes = dict.fromkeys(item.scheme for layer in found.layers for item in layer.errors)
    return SensitivityView(
        unit="dB" if decibel else found.metric or found.measure,
        explanation=MODES[found.mode],
        frames=found.frames,
        schemes=tuple(schemes),
        rows=tuple(_row(layer, decibel) for layer in found.layers if layer.layer in worst),
        hidden=len(found.layers) - min(len(found.layers), LAYERS),
        whole=tuple((item.scheme, _level(item, decibel)) for item in found.whole),
    )


def _row(layer: LayerSensitivity, decibel: bool) -> LevelRow:
    return LevelRow(layer.layer, tuple((item.scheme, _level(item, decibel)) for item in layer.errors))


def _level(item: SchemeError, decibel: bool) -> float | None:
    return finite(item.sqnr_db if decibel else item.error)


def tradeoff_view(found: Tradeoff | None) -> TradeoffView | None:
    """Give the front and the chosen plan."""
    if found is None:
        return None
    size = found.minimise == "size"
    gap = found.objective - found.lower_bound
    return TradeoffView(
        minimise=found.minimise,
        status=found.status,
        gap_share=finite(gap / found.objective) if found.objective and math.isfinite(gap) else None,
        by_size=size,
        front=tuple(_plan_point(point, size) for point in found.front),
        chosen=_plan_point(found.chosen, size),
        whole=found.front_is_whole,
        measured_error=found.measured_error,
    )


def _plan_point(point: TradeoffPoint, size: bool) -> PlanPoint:
    counts = tuple(sorted(Counter(point.schemes).items(), key=lambda item: -item[1]))
    cost = float(point.weight_bytes) if size else point.time_s
    return PlanPoint(cost, point.time_s, point.weight_bytes, point.error, counts)
