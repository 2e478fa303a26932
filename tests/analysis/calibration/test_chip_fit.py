"""The whole of a fit on a made-up chip."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from deploykit.analysis.calibration.chip_fit import Measured, fit_chip
from deploykit.analysis.calibration.prior import prior_for
from deploykit.analysis.time_model import Floats, LayerColumns

Chip = Callable[..., tuple[LayerColumns, Floats]]
PRIOR = prior_for(6e12, None)


def board(columns: LayerColumns, latency_s: Floats) -> Measured:
    """Name networks n0, n1 ...; families have three members."""
    count = latency_s.size
    names = tuple(f"n{index}" for index in range(count))
    return Measured(names, tuple(f"family {index // 3}" for index in range(count)), columns, latency_s)


def test_held_out_errors_stand_beside_those_of_the_data_sheet(measured: Chip) -> None:
    fit = fit_chip(board(*measured(24, noise=0.05)), PRIOR, spec_bandwidth=50e9)
    one, family = fit.held_out
    assert (one.method, one.networks) == ("leave-one-out", 24)
    assert family.method == "leave-one-family-out"
    assert one.mean_error < 0.1
    assert one.spec_mean_error > 0.3
    assert fit.passes


def test_intervals_hold_about_nine_of_ten(measured: Chip) -> None:
    fit = fit_chip(board(*measured(30, noise=0.1)), PRIOR, spec_bandwidth=None)
    assert 0.8 <= fit.inside <= 1.0
    for network in fit.networks:
        assert network.low_s < network.predicted_s < network.high_s


def test_a_network_that_runs_in_another_way_is_named(measured: Chip) -> None:
    columns, latency_s = measured(20)
    latency_s = latency_s.copy()
    latency_s[4] *= 10  # most of it runs on the CPU, say
    fit = fit_chip(board(columns, latency_s), PRIOR, spec_bandwidth=None)
    assert [network.name for network in fit.networks if network.aside] == ["n4"]


def test_a_chip_that_the_model_does_not_describe(measured: Chip) -> None:
    columns, latency_s = measured(12)
    shuffled = numpy.random.default_rng(0).permutation(latency_s)
    assert not fit_chip(board(columns, shuffled), PRIOR, spec_bandwidth=None).passes


def test_the_spread_knows_what_was_measured(measured: Chip) -> None:
    fit = fit_chip(board(*measured(12, without="matmul")), PRIOR, spec_bandwidth=None)
    assert "matmul" not in fit.spread.seen_share
    assert fit.spread.seen_share["conv"] == pytest.approx(max(fit.spread.seen_share.values()), rel=0.9)
