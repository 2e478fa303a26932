"""Fit one engine at one precision to measured networks, and hold the fit against networks that it did
not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from deploykit.analysis.calibration.fit import fit_rates
from deploykit.analysis.calibration.held_out import (
    Predictions,
    by_family,
    errors,
    folds,
    leave_one_out,
    predict_held_out,
)
from deploykit.analysis.calibration.prior import Prior
from deploykit.analysis.calibration.spread import inside, spread_of, widening
from deploykit.analysis.time_model import (
    Floats,
    LayerColumns,
    kind_shares,
    layer_times,
    network_times,
    spec_times,
)
from deploykit.core.calibration import HeldOut, Rates, Spread

LEAVE_ONE_OUT_UP_TO = 40
"""With more networks than this ten folds say as much, in less time."""

PASSES = 0.2
"""Median held-out error up to which the model is said to describe a chip."""

ASIDE = 0.5
"""A network that is off by more than this factor, when the fit has seen it, is named: it runs in another
way."""


@dataclass(frozen=True)
class FittedNetwork:
    """One measured network: its latency, as predicted by a fit without it, with its 90 % interval.

    `fitted_s` is what the final fit says, which has seen it; `outside` the share of its time that the
    others do not cover.
    """

    name: str
    family: str
    measured_s: float
    predicted_s: float
    low_s: float
    high_s: float
    fitted_s: float
    spec_s: float
    outside: float

    @property
    def error(self) -> float:
        """Signed error of the held-out prediction, as a share of the latency."""
        return self.predicted_s / self.measured_s - 1

    @property
    def aside(self) -> bool:
        """Say whether not even a fit that has seen the network comes near it."""
        factor = self.fitted_s / self.measured_s
        return not 1 / (1 + ASIDE) <= factor <= 1 + ASIDE


@dataclass(frozen=True)
class ChipFit:
    """A fit, its networks, and how its held-out predictions did; `inside` is the share in their
    intervals."""

    rates: Rates
    spread: Spread
    networks: tuple[FittedNetwork, ...]
    held_out: tuple[HeldOut, ...]
    inside: float

    @property
    def passes(self) -> bool:
        """Say whether the model describes the chip."""
        return self.held_out[0].median_error <= PASSES


@dataclass(frozen=True)
class Measured:
    """Networks, their layers and latencies, in one order; behind them layers measured alone, unnamed."""

    names: tuple[str, ...]
    families: tuple[str, ...]
    columns: LayerColumns
    latency_s: Floats


def fit_chip(measured: Measured, prior: Prior, *, spec_bandwidth: float | None) -> ChipFit:
    """Fit rates, predict each network without itself and without its family, and measure the spread.

    `spec_bandwidth` is the data sheet's, for the roofline beside; unknown counts as infinite.
    """
    count = len(measured.names)
    few = count <= LEAVE_ONE_OUT_UP_TO
    splits = leave_one_out(count) if few else folds(count, 10)
    held = _predicted(measured, prior, splits)
    spec_s = spec_times(
        measured.columns,
        peak_ops_per_s=prior.peak_ops_per_s,
        bandwidth_bytes_per_s=spec_bandwidth or numpy.inf,
    )[:count]
    results = [_held_out("leave-one-out" if few else "10-fold", held, measured, spec_s)]
    families = by_family(measured.families)
    if 2 < len(families) < count:
        apart = _predicted(measured, prior, families)
        results.append(_held_out("leave-one-family-out", apart, measured, spec_s))
    rates = fit_rates(measured.columns, measured.latency_s, prior).rates
    times = layer_times(measured.columns, rates, peak_ops_per_s=prior.peak_ops_per_s)
    off = numpy.log(held.predicted_s / measured.latency_s[:count])
    spread = spread_of(off, held.outside, kind_shares(measured.columns, times))
    fitted_s = network_times(measured.columns, rates, peak_ops_per_s=prior.peak_ops_per_s)
    networks = _networks(measured, held, fitted_s, spec_s, spread)
    return ChipFit(rates, spread, networks, tuple(results), inside(off, held.outside))


def _predicted(measured: Measured, prior: Prior, splits: Sequence[Sequence[int]]) -> Predictions:
    count = len(measured.names)
    found = predict_held_out(measured.columns, measured.latency_s, prior, splits)
    return Predictions(found.predicted_s[:count], found.outside[:count])


def _held_out(method: str, held: Predictions, measured: Measured, spec_s: Floats) -> HeldOut:
    latency_s = measured.latency_s[: spec_s.size]
    off, spec = numpy.abs(errors(held.predicted_s, latency_s)), numpy.abs(errors(spec_s, latency_s))
    return HeldOut(method, off.size, float(off.mean()), float(numpy.median(off)), float(spec.mean()))


def _networks(
    measured: Measured, held: Predictions, fitted_s: Floats, spec_s: Floats, spread: Spread
) -> tuple[FittedNetwork, ...]:
    factor = numpy.exp(spread.log_width * widening(held.outside))
    return tuple(
        FittedNetwork(
            measured.names[index],
            measured.families[index],
            float(measured.latency_s[index]),
            float(held.predicted_s[index]),
            float(held.predicted_s[index] / factor[index]),
            float(held.predicted_s[index] * factor[index]),
            float(fitted_s[index]),
            float(spec_s[index]),
            float(held.outside[index]),
        )
        for index in range(len(measured.names))
    )
