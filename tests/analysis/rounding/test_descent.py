"""Improving rounded weights column by column."""

from __future__ import annotations

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.analysis.rounding.descent import descended_codes
from deploykit.analysis.rounding.gptq import gptq_codes
from deploykit.analysis.rounding.grid import Grid, largest_scales


def test_two_equal_inputs_share_their_error() -> None:
    """0.4 + 0.4 over the same input: one of the two goes up to 1, the other stays at 0."""
    weights, scales = numpy.array([[[0.4, 0.4]]]), numpy.ones((1, 1, 1), numpy.float32)
    grid = Grid(4, numpy.zeros(2, numpy.int64))
    codes = descended_codes(
        grid.codes(weights, scales), weights, scales, numpy.ones((1, 2, 2)), grid, damping=0.01
    )
    assert codes.tolist() == [[[1, 0]]]


@given(seed=st.integers(0, 500))
@settings(deadline=None)  # a busy machine is no fault
def test_the_error_never_grows(seed: int) -> None:
    random = numpy.random.default_rng(seed)
    inputs = random.standard_normal((1, 100, 6)) @ random.standard_normal((1, 6, 20))
    gram = inputs.swapaxes(1, 2) @ inputs
    weights = random.standard_normal((1, 8, 20))
    grid = Grid(4, numpy.arange(20) // 8)
    scales = largest_scales(weights, grid)
    before = gptq_codes(weights, scales, gram, grid, damping=0.01)
    after = descended_codes(before, weights, scales, gram, grid, damping=0.0)
    errors = [
        ((inputs @ (grid.values(codes, scales) - weights).swapaxes(1, 2)) ** 2).sum()
        for codes in (before, after)
    ]
    assert errors[1] <= errors[0] * (1 + 1e-9)
    assert after.min() >= -8
    assert after.max() <= 7
