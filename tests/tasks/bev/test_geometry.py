"""The rig's geometry against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.tasks.bev import geometry as g


def test_focal_length_spans_the_field_of_view() -> None:
    # 128 px to the image's edge at 35 degrees: 128 / tan(35 deg) = 128 / 0.700208.
    assert pytest.approx(182.803, abs=1e-3) == g.FOCAL_PX


def test_a_point_ahead_of_camera_0() -> None:
    # 10 m along the axis from the camera at x = 0.5; 1 m left; on the ground, 1.6 m below the camera.
    u, v, depth = g.project(np.array([10.5, 1.0, 0.0]), 0)
    assert depth == pytest.approx(10.0)
    assert u == pytest.approx(128 - 18.2803, abs=1e-3)
    assert v == pytest.approx(36 + 29.2485, abs=1e-3)


def test_a_point_ahead_of_camera_1_is_at_60_degrees_to_the_left() -> None:
    point = np.array([8.5 * math.cos(math.pi / 3), 8.5 * math.sin(math.pi / 3), 1.6])
    u, v, depth = g.project(point, 1)
    assert [u, v, depth] == pytest.approx([128.0, 36.0, 8.0])


def test_a_point_behind_has_negative_depth() -> None:
    assert g.project(np.array([-4.0, 0.0, 1.0]), 0)[2] == pytest.approx(-4.5)


def test_ego_motion_of_a_step_ahead_and_a_left_turn() -> None:
    # The ego went 2 m ahead and then turned 90 degrees left. What is 1 m ahead of it now was at (2, 1)
    # before.
    matrix = g.relative_pose(np.array([2.0, 0.0, math.pi / 2]), np.array([0.0, 0.0, 0.0]))
    assert matrix @ np.array([1.0, 0.0, 1.0]) == pytest.approx(np.array([2.0, 1.0]))


_COORDINATE = st.floats(-30, 30)


@given(_COORDINATE, _COORDINATE, st.floats(-3, 3), _COORDINATE, _COORDINATE, st.floats(-3, 3))
def test_relative_poses_of_both_directions_undo_each_other(
    ax: float, ay: float, a_yaw: float, bx: float, by: float, b_yaw: float
) -> None:
    a, b = np.array([ax, ay, a_yaw]), np.array([bx, by, b_yaw])
    there = np.vstack([g.relative_pose(a, b), [0, 0, 1]])
    back = np.vstack([g.relative_pose(b, a), [0, 0, 1]])
    assert there @ back == pytest.approx(np.eye(3), abs=1e-9)


def test_cells_are_centred_on_the_ego() -> None:
    cells = g.cell_centres()
    assert cells[0] == pytest.approx(-20.16)
    assert cells[32] == pytest.approx(0.32)
    assert cells == pytest.approx(-cells[::-1])


def test_normalise_images_uses_each_channels_own_mean() -> None:
    image = np.zeros((1, 3, 2, 2), np.uint8)
    image[0, 0] = 255
    red, green, blue = g.normalise_images(image)[0, :, 0, 0]
    assert red == pytest.approx((255 - 123.675) / 58.395, abs=1e-5)
    assert green == pytest.approx(-116.28 / 57.12, abs=1e-5)
    assert blue == pytest.approx(-103.53 / 57.375, abs=1e-5)
