"""From maps to boxes, with maps that hold a handful of cells."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deploykit.tasks.bev.decode import decode


def _maps() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((1, 2, 64, 64), np.float32), np.zeros((1, 9, 64, 64), np.float32)


def test_a_peak_becomes_a_box_in_metres() -> None:
    heat, values = _maps()
    heat[0, 0, 40, 20] = 0.8
    heat[0, 0, 40, 21] = 0.7
    values[0, :, 40, 20] = [0.1, -0.2, 4.5, 1.8, 1.5, 1.0, 0.0, 3.0, -1.0]
    boxes = decode(heat, values)
    # Column 20 is x = 20.5 * 0.64 - 20.48 = -7.36; row 40 is y = 40.5 * 0.64 - 20.48 = 5.44.
    assert boxes.label.tolist() == [0]
    assert boxes.score == pytest.approx([0.8])
    assert boxes.centre[0] == pytest.approx([-7.26, 5.24], abs=1e-5)
    assert boxes.size[0] == pytest.approx([4.5, 1.8, 1.5])
    assert boxes.yaw[0] == pytest.approx(math.pi / 2)
    assert boxes.velocity[0] == pytest.approx([3.0, -1.0])


def test_boxes_come_best_first_over_both_classes() -> None:
    heat, values = _maps()
    heat[0, 0, 10, 30] = 0.4
    heat[0, 1, 20, 30] = 0.9
    heat[0, 1, 30, 40] = 0.02
    assert decode(heat, values).label.tolist() == [1, 0]


def test_of_two_peaks_on_one_car_the_better_stays() -> None:
    # Two cells apart is 1.28 m: less than a car keeps, more than a pedestrian does.
    heat, values = _maps()
    for label in (0, 1):
        heat[0, label, 20, 30] = 0.6
        heat[0, label, 20, 32] = 0.5
    boxes = decode(heat, values)
    assert boxes.label.tolist() == [0, 1, 1]


def test_what_lies_out_of_range_is_dropped() -> None:
    # The corner cell is 20.16 * sqrt(2) = 28.5 m away; a cell at 19.52 m is pushed out by its offset.
    heat, values = _maps()
    heat[0, 0, 0, 0] = 0.9
    heat[0, 1, 32, 62] = 0.9
    assert len(decode(heat, values).score) == 1
    values[0, 0, 32, 62] = 0.6
    assert len(decode(heat, values).score) == 0


def test_nothing_gives_empty_arrays_of_the_right_shape() -> None:
    boxes = decode(*_maps())
    assert boxes.centre.shape == (0, 2)
    assert boxes.size.shape == (0, 3)
    assert boxes.velocity.shape == (0, 2)
