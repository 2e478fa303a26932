"""The rig, the bird's-eye grid and the frames of reference, as constants and small pure functions.

Ego frame: origin on the ground under the vehicle, x forward, y left, z up, metres. Camera ``k`` looks along
yaw ``60 deg * k`` (counter-clockwise), has no pitch or roll, and sits ``CAMERA_RADIUS_M`` out in its own
direction, so the rig maps onto itself when the world turns by 60 degrees or is mirrored in x: training uses
that symmetry. Pixel ``(row, column)`` has its centre at ``(row + 0.5, column + 0.5)``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

CAMERAS = 6
IMAGE_HEIGHT = 96
IMAGE_WIDTH = 256
FIELD_OF_VIEW_DEG = 70.0
FOCAL_PX = IMAGE_WIDTH / 2 / math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))
CENTRE_U_PX = IMAGE_WIDTH / 2
CENTRE_V_PX = 36.0
CAMERA_HEIGHT_M = 1.6
CAMERA_RADIUS_M = 0.5

BEV_CELLS = 64
BEV_CELL_M = 0.64
BEV_HALF_M = BEV_CELLS * BEV_CELL_M / 2
RANGE_M = 20.0
"""Objects whose centre is farther from the ego are outside the task: ignored, and so are detections."""

FRAME_S = 0.5

PIXEL_MEAN = (123.675, 116.28, 103.53)
"""Per channel (RGB), in units of the 8-bit image: the network reads ``(pixel - mean) / std``."""
PIXEL_STD = (58.395, 57.12, 57.375)


def camera_yaw(camera: int) -> float:
    """Return the yaw of a camera in the ego frame, radians."""
    return math.radians(60.0 * camera)


def project(points: Floats, camera: int) -> tuple[Floats, Floats, Floats]:
    """Project ego-frame points (..., 3) to a camera: column u, row v (pixels), depth along its axis (metres).

    Points behind the camera come back with depth <= 0, and u, v mean nothing there.
    """
    yaw = camera_yaw(camera)
    cosine, sine = math.cos(yaw), math.sin(yaw)
    depth = cosine * points[..., 0] + sine * points[..., 1] - CAMERA_RADIUS_M
    left = -sine * points[..., 0] + cosine * points[..., 1]
    up = points[..., 2] - CAMERA_HEIGHT_M
    safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    return CENTRE_U_PX - FOCAL_PX * left / safe, CENTRE_V_PX - FOCAL_PX * up / safe, depth


def relative_pose(pose: Floats, reference: Floats) -> Floats:
    """Return the 2x3 matrix from frame ``pose`` to frame ``reference``; poses are (x, y, yaw)."""
    turn = float(pose[2] - reference[2])
    cosine, sine = math.cos(float(reference[2])), math.sin(float(reference[2]))
    dx, dy = float(pose[0] - reference[0]), float(pose[1] - reference[1])
    return np.array(
        [
            [math.cos(turn), -math.sin(turn), cosine * dx + sine * dy],
            [math.sin(turn), math.cos(turn), -sine * dx + cosine * dy],
        ]
    )


def cell_centres() -> Floats:
    """Return the coordinate of each cell along one axis, metres, (64,).

    A bird's-eye tensor is indexed ``[..., y, x]``: its width axis is x (forward) and its height axis is y
    (left), so that metric (x, y) divided by ``BEV_HALF_M`` is already a GridSample coordinate.
    """
    return (np.arange(BEV_CELLS) + 0.5) * BEV_CELL_M - BEV_HALF_M


def normalise_images(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn RGB images (..., 3, height, width) of 8 bits into the network's input, same shape."""
    mean = np.array(PIXEL_MEAN, np.float32)[:, None, None]
    std = np.array(PIXEL_STD, np.float32)[:, None, None]
    return ((images.astype(np.float32) - mean) / std).astype(np.float32)
