"""Scales and codes of weights against numbers worked out by hand."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.rounding.forms import LayerForm
from deploykit.analysis.rounding.grid import Grid, largest_scales, searched_scales


def test_blocks_of_columns_have_scales_of_their_own() -> None:
    weights = numpy.array([[[0.7, -0.36, 7.0, 3.0]]])
    grid = Grid(4, numpy.array([0, 0, 1, 1]))
    scales = largest_scales(weights, grid)
    assert scales.reshape(-1) == pytest.approx([0.1, 1.0])
    assert grid.codes(weights, scales).reshape(-1).tolist() == [7, -4, 7, 3]


def test_four_bits_use_the_code_minus_eight_and_eight_bits_spare_it() -> None:
    one = numpy.ones((1, 1, 1))
    scales, far = one, numpy.array([[[-1000.0]]])
    assert Grid(4, numpy.array([0])).codes(far, scales).item() == -8
    assert Grid(8, numpy.array([0])).codes(far, scales).item() == -127


def test_a_search_gives_up_an_outlier_among_many() -> None:
    weights = numpy.concatenate([numpy.tile(numpy.linspace(-0.35, 0.35, 15), 20), [0.5]])[None, None]
    grid = Grid(4, numpy.zeros(301, numpy.int64))
    assert largest_scales(weights, grid).item() == pytest.approx(0.5 / 7)
    assert searched_scales(weights, grid).item() == pytest.approx(0.05, rel=0.02)  # 0.35 / 7


@given(seed=st.integers(0, 1000), bits=st.sampled_from([4, 8]))
def test_a_search_is_never_worse_than_the_largest_scale(seed: int, bits: int) -> None:
    weights = numpy.random.default_rng(seed).standard_normal((2, 3, 12)).astype(numpy.float32)
    grid = Grid(bits, numpy.arange(12) // 5)

    def error(scales: numpy.typing.NDArray[numpy.float32]) -> float:
        return float(((grid.values(grid.codes(weights, scales), scales) - weights) ** 2).sum())

    assert error(searched_scales(weights, grid)) <= error(largest_scales(weights, grid)) * (1 + 1e-6)


def test_a_channel_of_zeros_has_a_usable_scale() -> None:
    grid = Grid(4, numpy.zeros(3, numpy.int64))
    zeros = numpy.zeros((1, 2, 3))
    assert (searched_scales(zeros, grid) == numpy.float32(1e-12)).all()
    assert not grid.codes(zeros, searched_scales(zeros, grid)).any()


@pytest.mark.parametrize(
    ("form", "matrix", "blocks"),
    [
        (LayerForm((6, 4, 3, 1), 0, 0, 2), (2, 3, 12), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]),  # two channels
        (LayerForm((4, 6), 1, 1), (1, 6, 4), [0, 0, 1, 1]),
        (LayerForm((6, 4), 0, 0), (1, 6, 4), [0, 0, 1, 1]),
    ],
)
def test_a_matrix_goes_back_to_the_weights_own_layout(
    form: LayerForm, matrix: tuple[int, ...], blocks: list[int]
) -> None:
    weights = numpy.arange(numpy.prod(form.shape), dtype=float).reshape(form.shape)
    assert form.matrix(weights).shape == matrix
    assert (form.unfold(form.matrix(weights)) == weights).all()
    assert form.blocks(2).tolist() == blocks
    assert not form.blocks(None).any()


def test_scales_of_blocks_have_the_layout_of_onnx() -> None:
    scales = numpy.arange(2 * 3 * 6).reshape(2, 3, 6)
    assert LayerForm((6, 4, 3, 1), 0, 0, 2).block_scales(scales).shape == (6, 2, 3, 1)
    gemm = LayerForm((4, 6), 1, 1)
    assert gemm.block_scales(numpy.arange(12).reshape(1, 6, 2)).tolist() == [
        [0, 2, 4, 6, 8, 10],
        [1, 3, 5, 7, 9, 11],
    ]


def test_what_weighs_no_inputs_lies_in_rows_along_its_scales() -> None:
    transposed = LayerForm((3, 5, 2, 2), None, 1)
    weights = numpy.arange(60.0).reshape(3, 5, 2, 2)
    assert transposed.matrix(weights).shape == (1, 5, 12)
    assert (transposed.unfold(transposed.matrix(weights)) == weights).all()
    assert LayerForm((4, 10, 7), None, None).matrix(numpy.zeros((4, 10, 7))).shape == (1, 1, 280)
