"""Predict measured networks from a fit that did not see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from deploykit.analysis.calibration.fit import fit_rates
from deploykit.analysis.calibration.prior import Prior
from deploykit.analysis.calibration.spread import outside_share
from deploykit.analysis.time_model import Floats, LayerColumns, kind_shares, layer_times


@dataclass(frozen=True)
class Predictions:
    """Latencies as predicted by a fit to the other networks, and the share of time that those do not
    cover."""

    predicted_s: Floats
    outside: Floats


def leave_one_out(count: int) -> tuple[tuple[int, ...], ...]:
    """Give every network a fold of its own."""
    return tuple((index,) for index in range(count))


def folds(count: int, parts: int, *, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    """Deal networks out at random, the same way for the same seed."""
    order = numpy.random.default_rng(seed).permutation(count)
    return tuple(tuple(sorted(int(index) for index in order[part::parts])) for part in range(parts))


def by_family(families: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Put networks of a family into one fold."""
    names = dict.fromkeys(families)
    return tuple(tuple(index for index, own in enumerate(families) if own == name) for name in names)


def predict_held_out(
    table: LayerColumns, latency_s: Floats, prior: Prior, splits: Sequence[Sequence[int]]
) -> Predictions:
    """Predict each fold from a fit to all others; whatever the fit chooses, it chooses inside of them.

    Networks in no fold (layers that were measured alone) are seen by every fit and not predicted.
    """
    predicted, outside = numpy.zeros(table.networks), numpy.zeros(table.networks)
    for fold in splits:
        rest = [index for index in range(table.networks) if index not in set(fold)]
        seen, unseen = table.only(rest), table.only(fold)
        rates = fit_rates(seen, latency_s[rest], prior).rates
        known = layer_times(seen, rates, peak_ops_per_s=prior.peak_ops_per_s)
        asked = layer_times(unseen, rates, peak_ops_per_s=prior.peak_ops_per_s)
        predicted[list(fold)] = unseen.sums(asked.total_s) + rates.network_overhead_s * unseen.fixed
        most = kind_shares(seen, known).max(axis=0)
        outside[list(fold)] = outside_share(kind_shares(unseen, asked), most)
    return Predictions(predicted, outside)


def errors(predicted_s: Floats, latency_s: Floats) -> Floats:
    """Give signed errors as shares of the measured latency."""
    found: Floats = predicted_s / latency_s - 1
    return found
