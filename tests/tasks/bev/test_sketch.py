from __future__ import annotations

import math

import numpy as np

from deploykit.tasks.bev.decode import Boxes
from deploykit.tasks.bev.geometry import RANGE_M
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE, Labels
from deploykit.tasks.bev.sketch import sketch_frame


def test_a_frame_is_drawn_looking_up() -> None:
    labels = Labels(
        label=np.array([0, 1, 0]),
        centre=np.array([[10.0, 0.0], [0.0, 5.0], [-9.0, -9.0]]),  # ahead; to the left; behind, never seen
        size=np.array([[4.0, 2.0, 1.5]] * 3),
        yaw=np.array([0.0, math.pi / 2, 0.0]),
        velocity=np.zeros((3, 2)),
        state=np.array([VISIBLE, HIDDEN, IGNORED]),
        visible_pixels=np.zeros(3, np.int64),
    )
    boxes = Boxes(
        label=np.array([0, 0, 1, 0]),
        score=np.array([0.9, 0.8, 0.5, 0.2]),
        centre=np.array([[10.5, 0.0], [-9.0, 0.0], [0.0, 5.5], [3.0, 3.0]]),
        size=np.array([[4.0, 2.0, 1.5]] * 4),
        yaw=np.zeros(4),
        velocity=np.zeros((4, 2)),
    )
    found = sketch_frame(labels, boxes)
    middle = RANGE_M
    assert (found.width, found.height) == (2 * middle, 2 * middle)
    assert [(shape.role, shape.text) for shape in found.shapes] == [
        ("label", "car"),
        ("hidden", "pedestrian"),
        ("found", "car 0.90"),
        ("false", "car 0.80"),
        ("found", "pedestrian 0.50"),
    ]
    # 4 m long, 2 m wide, 10 m ahead: above the middle, upright; its first corner is front left
    assert found.shapes[0].points == (
        (middle - 1, middle - 12),
        (middle + 1, middle - 12),
        (middle + 1, middle - 8),
        (middle - 1, middle - 8),
    )
    # turned to the left: 4 m across, left of the middle
    assert found.shapes[1].points[0] == (middle - 7, middle + 1)
    assert found.caption == "1 of 1 visible, 1 of 1 hidden, 1 false"
