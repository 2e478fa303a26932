"""Factors of channels, against errors worked out by hand."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.rounding.equalisation import ChannelSpread, Reader, channel_factors
from deploykit.analysis.rounding.grid import Grid


def spread(*sizes: float) -> ChannelSpread:
    high = numpy.array(sizes)
    return ChannelSpread(numpy.zeros(len(high)), high, high**2 / 3)


def reader(weights: list[list[float]]) -> Reader:
    matrix = numpy.array([weights])
    columns = numpy.arange(matrix.shape[2])
    return Reader(matrix, columns[None], Grid(8, numpy.zeros(len(columns), int)), 8)


def test_the_error_is_that_of_both_steps() -> None:
    """Values in [0, 2.55] have steps of 0.01; weights up to 1.27 too. Powers 3 and 12, weights 1.27 and 0.5."""
    seen = ChannelSpread(numpy.zeros(2), numpy.array([2.55, 1.0]), numpy.array([3.0, 12.0]))
    expected = (1e-4 * (1.27**2 + 0.5**2) + 1e-4 * (3 + 12)) / 12
    assert reader([[1.27, 0.5]]).error(seen, numpy.ones(2)) == pytest.approx(expected, rel=1e-6)


def test_a_layer_with_small_weights_at_large_channels_is_equalised_exactly() -> None:
    factors = channel_factors(spread(1.0, 0.01), [reader([[0.01, 1.0]])], float("inf"))
    assert factors is not None
    assert factors == pytest.approx([1.0, 100.0])  # then both weights are 0.01


def test_even_channels_get_none() -> None:
    assert channel_factors(spread(1.0, 0.9), [reader([[0.5, 0.6]])], float("inf")) is None
    assert channel_factors(spread(0.0, 0.0), [reader([[0.5, 0.6]])], float("inf")) is None


@given(
    st.lists(st.floats(1e-6, 6.0), min_size=2, max_size=6),
    st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6),
)
def test_no_value_that_was_seen_passes_a_bound(sizes: list[float], weights: list[float]) -> None:
    seen = spread(*sizes)
    factors = channel_factors(seen, [reader([weights[: len(sizes)]])], 6.0)
    if factors is not None:
        assert (factors >= 1).all()
        assert (factors * seen.high <= 6.0 * (1 + 1e-9)).all()
