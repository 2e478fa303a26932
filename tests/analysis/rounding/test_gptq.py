"""Rounding with a layer's own inputs."""

from __future__ import annotations

from typing import Any

import numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deploykit.analysis.rounding.gptq import gptq_codes
from deploykit.analysis.rounding.grid import Grid, largest_scales

Array = NDArray[Any]


def test_two_equal_inputs_share_their_error() -> None:
    """Both see the same input: 0.4 + 0.4 is best as 0 + 1, though each alone is nearest to 0."""
    weights, scales = numpy.array([[[0.4, 0.4]]]), numpy.ones((1, 1, 1), numpy.float32)
    gram = numpy.ones((1, 2, 2))
    grid = Grid(4, numpy.zeros(2, numpy.int64))
    assert grid.codes(weights, scales).sum() == 0
    assert gptq_codes(weights, scales, gram, grid, damping=0.01).sum() == 1


def test_independent_inputs_are_rounded_to_nearest() -> None:
    random = numpy.random.default_rng(1)
    weights = random.standard_normal((2, 5, 200))
    grid = Grid(8, numpy.arange(200) // 32)
    scales = largest_scales(weights, grid)
    gram = numpy.stack([numpy.diag(random.uniform(1, 5, 200)) for _ in range(2)])
    assert (gptq_codes(weights, scales, gram, grid, damping=0.01) == grid.codes(weights, scales)).all()


def test_inputs_that_are_always_zero_do_no_harm() -> None:
    weights = numpy.array([[[0.26, 0.5, -0.3]]])
    grid = Grid(4, numpy.zeros(3, numpy.int64))
    scales = largest_scales(weights, grid)
    gram = numpy.zeros((1, 3, 3))
    gram[0, 1, 1] = 4.0
    assert (gptq_codes(weights, scales, gram, grid, damping=0.01) == grid.codes(weights, scales)).all()


@given(seed=st.integers(0, 500))
def test_correlated_inputs_lose_less_than_to_nearest(seed: int) -> None:
    random = numpy.random.default_rng(seed)
    inputs = random.standard_normal((1, 400, 8)) @ random.standard_normal((1, 8, 24))
    inputs += 0.1 * random.standard_normal(inputs.shape)
    weights = random.standard_normal((1, 32, 24))
    grid = Grid(4, numpy.zeros(24, numpy.int64))
    scales = largest_scales(weights, grid)

    def error(codes: Array) -> float:
        return float(((inputs @ (grid.values(codes, scales) - weights).swapaxes(1, 2)) ** 2).sum())

    gram = inputs.swapaxes(1, 2) @ inputs
    assert error(gptq_codes(weights, scales, gram, grid, damping=0.01)) < 0.8 * error(
        grid.codes(weights, scales)
    )
