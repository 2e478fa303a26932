"""Weights that suit the inputs of a quantized network."""

from __future__ import annotations

import numpy
import pytest

from deploykit.analysis.rounding.paired import PairedInputs, damping


def test_weights_undo_what_happened_to_the_inputs() -> None:
    """Inputs that came out half as large, with an offset of 1: weights twice as large, the bias does the rest."""
    random = numpy.random.default_rng(0)
    wanted = random.standard_normal((1, 5000, 3))
    seen = PairedInputs.nothing(1, 3)
    seen.add(0.5 * wanted[:, :2500] + 1, wanted[:, :2500])
    seen.add(0.5 * wanted[:, 2500:] + 1, wanted[:, 2500:])
    weights = numpy.array([[[1.0, -2.0, 3.0]]])
    assert seen.samples == 5000
    assert seen.suited(weights, centred=True)[0, 0] == pytest.approx([2, -4, 6], rel=0.02)


def test_the_same_inputs_leave_the_weights_as_they_are() -> None:
    random = numpy.random.default_rng(1)
    values = random.standard_normal((2, 6, 8)).astype(numpy.float32)  # fewer positions than columns
    seen = PairedInputs.nothing(2, 8)
    seen.add(values, values)
    weights = random.standard_normal((2, 3, 8))
    assert seen.suited(weights, centred=False) == pytest.approx(weights, abs=1e-9)


def test_few_samples_damp_more() -> None:
    gram = numpy.zeros((1, 480, 480))
    assert damping(gram, 48) == pytest.approx(1.0)
    assert damping(gram, 10**6) == 0.01
