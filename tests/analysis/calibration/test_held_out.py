"""Held-out predictions and the intervals that come from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.calibration.held_out import by_family, errors, folds, leave_one_out, predict_held_out
from deploykit.analysis.calibration.prior import prior_for
from deploykit.analysis.calibration.spread import inside, log_width, outside_share
from deploykit.analysis.time_model import Floats, LayerColumns, layer_columns
from deploykit.artifacts.layer_table import LayerRow

Measured = Callable[..., tuple[LayerColumns, Floats]]
PRIOR = prior_for(6e12, None)


def test_noise_of_the_measurements_comes_back_as_error(measured: Measured) -> None:
    columns, latency_s = measured(30, noise=0.05)
    found = predict_held_out(columns, latency_s, PRIOR, leave_one_out(30))
    assert 0.03 < numpy.abs(errors(found.predicted_s, latency_s)).mean() < 0.09


def test_what_a_fold_asks_for_and_the_rest_lacks_is_outside(measured: Measured) -> None:
    convolutions = [LayerRow("conv", size * 10**8, 0, 10**6, 10**5, 10**6) for size in range(1, 7)]
    softmax = LayerRow("softmax", 0, 10**7, 10**7, 0, 10**7)
    rows = [*([layer] for layer in convolutions), [convolutions[0], softmax]]
    columns = layer_columns(rows, weight_bits=8, activation_bits=8)
    found = predict_held_out(columns, numpy.full(7, 1e-3), PRIOR, leave_one_out(7))
    assert found.outside[:6].max() == 0
    assert found.outside[6] > 0.5


@given(st.integers(2, 40), st.integers(2, 10), st.integers(0, 9))
def test_folds_hold_every_network_once(count: int, parts: int, seed: int) -> None:
    dealt = [index for fold in folds(count, parts, seed=seed) for index in fold]
    assert sorted(dealt) == list(range(count))


def test_families_stay_together() -> None:
    assert by_family(["yolo", "resnet", "yolo"]) == ((0, 2), (1,))
    assert leave_one_out(3) == ((0,), (1,), (2,))


def test_nine_of_ten_lie_inside_the_interval() -> None:
    off = numpy.random.default_rng(1).normal(0, 0.1, 200)
    nowhere = numpy.zeros(200)
    assert log_width(off, nowhere) == pytest.approx(0.1645, abs=0.02)  # 1.645 standard deviations
    assert 0.86 < inside(off, nowhere) < 0.94


def test_few_networks_stretch_the_worst_error() -> None:
    off, nowhere = numpy.array([0.1, -0.2, 0.05, 0.02]), numpy.zeros(4)
    assert log_width(off, nowhere) == pytest.approx(0.2 * 5 * 0.9 / 4)


def test_time_outside_widens() -> None:
    seen = numpy.array([0.9, 0.2])
    assert outside_share(numpy.array([[0.5, 0.5], [0.85, 0.15]]), seen) == pytest.approx([0.3, 0.0])
