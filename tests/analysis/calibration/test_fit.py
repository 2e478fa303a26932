"""A fit to made-up chips, whose rates are 52 % of 6 TOPS on convolutions, 32 GB/s, 512 KB on chip, 43 us a
network."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from deploykit.analysis.calibration.fit import fit_rates
from deploykit.analysis.calibration.prior import prior_for, unpack
from deploykit.analysis.time_model import Floats, LayerColumns, network_times

Measured = Callable[..., tuple[LayerColumns, Floats]]
PRIOR = prior_for(6e12, None)


def off_by(columns: LayerColumns, latency_s: Floats, fitted_on: tuple[LayerColumns, Floats]) -> Floats:
    """Give absolute errors of a fit to other networks."""
    rates = fit_rates(*fitted_on, PRIOR).rates
    errors: Floats = numpy.abs(network_times(columns, rates, peak_ops_per_s=6e12) / latency_s - 1)
    return errors


def test_rates_are_found_again(measured: Measured) -> None:
    rates = fit_rates(*measured(60), PRIOR).rates
    assert rates.resident_bytes == 512e3
    assert rates.efficiency["conv"] == pytest.approx(0.52, rel=0.1)
    assert rates.bandwidth_bytes_per_s == pytest.approx(32e9, rel=0.1)
    assert rates.network_overhead_s == pytest.approx(43e-6, rel=0.25)


def test_new_networks_are_predicted(measured: Measured) -> None:
    errors = off_by(*measured(20, seed=7), fitted_on=measured(30))
    assert errors.mean() < 0.02
    assert errors.max() < 0.05


def test_one_wrong_measurement_does_not_turn_the_fit(measured: Measured) -> None:
    columns, latency_s = measured(30)
    spoilt = latency_s.copy()
    spoilt[3] *= 5
    assert numpy.median(off_by(columns, latency_s, fitted_on=(columns, spoilt))) < 0.02


def test_six_networks_are_worth_having(measured: Measured) -> None:
    prior = prior_for(12e12, None)  # the data sheet promises twice what the chip has
    new, latency_s = measured(30, seed=7)
    prior_s = network_times(new, unpack(prior.centre, 0.0, rereads_tiles=False), peak_ops_per_s=12e12)
    rates = fit_rates(*measured(6), prior).rates
    after = numpy.abs(network_times(new, rates, peak_ops_per_s=12e12) / latency_s - 1).mean()
    assert after < numpy.abs(prior_s / latency_s - 1).mean() / 2


def test_a_class_that_no_network_has_stays_at_the_prior(measured: Measured) -> None:
    rates = fit_rates(*measured(20, without="matmul"), PRIOR).rates
    assert rates.efficiency["matmul"] == pytest.approx(0.3, rel=1e-3)


def test_efficiencies_stay_near_one_where_latencies_ask_for_more(measured: Measured) -> None:
    columns, latency_s = measured(30)
    rates = fit_rates(columns, latency_s / 20, PRIOR).rates
    assert max(rates.efficiency.values()) < 2.0  # ten are asked for
