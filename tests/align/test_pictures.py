"""Pictures of tensors, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy
import pytest

from deploykit.align.pictures import BINS, MAP_COLUMNS, POINTS, picture_of
from deploykit.align.tensors import Tensor


def test_a_small_tensor_is_shown_as_it_is() -> None:
    a = numpy.arange(12, dtype=numpy.float32).reshape(1, 2, 2, 3)
    b = a.copy()
    b[0, 1, 0, 2] += 4
    picture = picture_of("t", 3, Tensor(a), Tensor(b), channel_axis=1)
    assert picture.maps is not None
    assert picture.maps.index == (0, 1)
    assert picture.maps.reference == (6, 7, 8, 9, 10, 11)
    assert picture.maps.difference == (0, 0, 4, 0, 0, 0)
    # channel 1: 36 + 49 + 64 + 81 + 100 + 121 = 451 over 16
    assert picture.channel_sqnr_db == pytest.approx((math.inf, 10 * math.log10(451 / 16)))
    assert picture.histogram is not None
    assert (picture.histogram.edges[0], picture.histogram.edges[-1]) == (0, 12)
    assert sum(picture.histogram.reference) == sum(picture.histogram.board) == 12
    assert picture.histogram.board[-1] == 1  # the 12
    assert picture.samples.reference == tuple(range(12))
    assert not picture.is_line


def test_a_large_plane_is_averaged_over_cells() -> None:
    a = numpy.zeros((200, 2 * MAP_COLUMNS))
    a[:, ::2] = 2.0
    picture = picture_of("t", 0, Tensor(a), Tensor(a), channel_axis=5)
    assert picture.maps is not None
    assert (picture.maps.height, picture.maps.rows, picture.maps.columns) == (200, 96, MAP_COLUMNS)
    assert set(picture.maps.reference) == {1.0}
    assert set(picture.maps.difference) == {0.0}
    assert picture.channel_sqnr_db == ()


def test_a_vector_is_a_line_of_evenly_spaced_places() -> None:
    a = numpy.arange(4 * POINTS, dtype=numpy.float64)
    picture = picture_of("t", 0, Tensor(a), Tensor(a + 1), channel_axis=1)
    assert picture.maps is None
    assert picture.is_line
    assert picture.samples.index[:3] == (0, 5, 10)
    assert len(picture.samples.index) <= POINTS
    assert picture.samples.board[1] == picture.samples.index[1] + 1


def test_nan_is_left_out_and_its_plane_is_the_one_to_see() -> None:
    a = numpy.ones((3, 4, 4), dtype=numpy.float32)
    b = a.copy()
    b[1, 0, 0] = numpy.nan
    b[2] = 7
    picture = picture_of("t", 0, Tensor(a), Tensor(b), channel_axis=0)
    assert picture.maps is not None
    assert picture.maps.index == (1,)
    assert picture.maps.board[0] is None
    assert picture.maps.difference[:2] == (None, 0)
    assert picture.histogram is not None
    assert len(picture.histogram.reference) == BINS
    assert len(picture.samples.index) == 47


def test_equal_constants_have_no_histogram() -> None:
    a = numpy.ones((2, 2), dtype=numpy.float32)
    assert picture_of("t", 0, Tensor(a), Tensor(a), channel_axis=1).histogram is None
