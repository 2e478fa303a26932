"""Small pictures of differences, worked out by hand."""

from __future__ import annotations

import numpy

from deploykit.analysis.heat import heat_map


def test_the_mean_over_frames_batch_and_channels() -> None:
    a = numpy.zeros((2, 1, 2, 2, 2), numpy.float32)  # frames, N, C, H, W
    b = a.copy()
    b[0, 0, 0, 0, 1] = -4.0
    assert heat_map(a, b, 2, 2).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_larger_maps_are_averaged_over_cells() -> None:
    a = numpy.zeros((1, 1, 1, 4, 6), numpy.float32)
    b = numpy.arange(24, dtype=numpy.float32).reshape(a.shape)
    assert heat_map(a, b, 2, 3).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]


def test_sizes_that_do_not_divide_keep_the_mean_of_each_cell() -> None:
    a = numpy.zeros((1, 1, 1, 5, 7), numpy.float32)
    assert (heat_map(a, a + 1, 2, 3) == 1.0).all()


def test_nan_makes_no_hole_in_the_picture() -> None:
    a = numpy.zeros((1, 1, 1, 1, 2), numpy.float32)
    b = numpy.array([numpy.nan, 1.0], numpy.float32).reshape(a.shape)
    assert heat_map(a, b, 1, 2).tolist() == [[0.0, 1.0]]
