"""Weights that suit the inputs of a quantized network."""

from __future__ import annotations

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.analysis.rounding.paired import PairedInputs, damping, judged_damping


def test_weights_undo_what_happened_to_the_inputs() -> None:
    """Inputs that came out half as large, with an offset of 1: weights twice as large, the bias does the rest."""
    random = numpy.random.default_rng(0)
    wanted = random.standard_normal((1, 5000, 3))
    seen = PairedInputs.nothing(1, 3)
    seen.add(0.5 * wanted[:, :2500] + 1, wanted[:, :2500])
    seen.add(0.5 * wanted[:, 2500:] + 1, wanted[:, 2500:])
    weights = numpy.array([[[1.0, -2.0, 3.0]]])
    assert seen.samples == 5000
    assert seen.suited(weights, 0.001, centred=True)[0, 0] == pytest.approx([2, -4, 6], rel=0.02)


def test_the_same_inputs_leave_the_weights_as_they_are() -> None:
    random = numpy.random.default_rng(1)
    values = random.standard_normal((2, 6, 8)).astype(numpy.float32)  # fewer positions than columns
    seen = PairedInputs.nothing(2, 8)
    seen.add(values, values)
    weights = random.standard_normal((2, 3, 8))
    assert seen.suited(weights, 0.1, centred=False) == pytest.approx(weights, abs=1e-9)


def test_few_samples_damp_more() -> None:
    gram = numpy.zeros((1, 480, 480))
    assert damping(gram, 48) == pytest.approx(1.0)
    assert damping(gram, 10**6) == 0.01


def halves_of(
    now: NDArray[numpy.float64], wanted: NDArray[numpy.float64]
) -> tuple[PairedInputs, PairedInputs]:
    halves = PairedInputs.nothing(1, now.shape[2]), PairedInputs.nothing(1, now.shape[2])
    middle = now.shape[1] // 2
    halves[0].add(now[:, :middle], wanted[:, :middle])
    halves[1].add(now[:, middle:], wanted[:, middle:])
    return halves


def test_errors_that_stay_are_fitted_and_those_that_change_are_not() -> None:
    """Inputs that are always half as large: trust the data. Noise on few samples: keep the weights."""
    random = numpy.random.default_rng(3)
    weights = random.standard_normal((1, 4, 20))
    wanted = random.standard_normal((1, 400, 20))
    assert judged_damping(weights, halves_of(0.5 * wanted, wanted), centred=True) == 0.01
    few = wanted[:, :24]
    noisy = few + 0.1 * random.standard_normal(few.shape)
    assert judged_damping(weights, halves_of(noisy, few), centred=True) >= 1.0
    assert judged_damping(weights, halves_of(wanted[:, :1], wanted[:, :1]), centred=True) == 1.0


def test_the_error_is_that_of_the_outputs() -> None:
    """Up to the part without the new weights, about the means of the data that the bias was set on."""
    random = numpy.random.default_rng(4)
    now, wanted = random.standard_normal((2, 1, 30, 5)) + 1
    first, second = halves_of(now, wanted)
    weights, other = random.standard_normal((2, 1, 3, 5))

    def error(q: NDArray[numpy.float64]) -> float:
        made = (now[0, 15:] - now[0, :15].mean(0)) @ q[0].T
        aim = (wanted[0, 15:] - wanted[0, :15].mean(0)) @ weights[0].T
        return float(((made - aim) ** 2).sum())

    given = second.error(weights, other, first) - second.error(weights, weights, first)
    assert given == pytest.approx(error(other) - error(weights), rel=1e-4)
