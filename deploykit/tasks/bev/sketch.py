"""A frame seen from above: what is there, and what was found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deploykit.artifacts.evaluation import FrameSketch, Shape
from deploykit.tasks.bev.bodies import CLASSES
from deploykit.tasks.bev.decode import Boxes
from deploykit.tasks.bev.geometry import RANGE_M, Floats
from deploykit.tasks.bev.metric import RECALL_SCORE, match_frame
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE, Labels


def sketch_frame(labels: Labels, boxes: Boxes) -> FrameSketch:
    """Draw a frame in metres, the ego in the middle, looking up; boxes below the recall's score are left out.

    A box within 2 m of an object that is hidden or was never seen is no false one, as in the metric.
    """
    sure = np.flatnonzero(boxes.score >= RECALL_SCORE)
    partner = match_frame(labels, boxes, sure)
    shapes = [
        Shape("label" if state == VISIBLE else "hidden", _outline(*box), CLASSES[label])
        for label, state, *box in zip(
            labels.label, labels.state, labels.centre, labels.size, labels.yaw, strict=True
        )
        if state != IGNORED
    ]
    for at, label in zip(sure, partner, strict=True):
        text = f"{CLASSES[boxes.label[at]]} {boxes.score[at]:.2f}"
        outline = _outline(boxes.centre[at], boxes.size[at], float(boxes.yaw[at]))
        shapes.append(Shape("false" if label < 0 else "found", outline, text))
    found = labels.state[partner[partner >= 0]]
    words = [
        f"{np.sum(found == state)} of {np.sum(labels.state == state)} {name}"
        for state, name in ((VISIBLE, "visible"), (HIDDEN, "hidden"))
        if np.any(labels.state == state)
    ]
    wrong = int(np.sum(partner < 0))
    return FrameSketch(2 * RANGE_M, 2 * RANGE_M, tuple(shapes), ", ".join([*words, f"{wrong} false"]))


def _outline(centre: Floats, size: Floats, yaw: float) -> tuple[tuple[float, float], ...]:
    """Turn a box in the ego frame (x ahead, y left) into four corners of the picture."""
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    half: NDArray[np.float64] = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * np.asarray(size[:2]) / 2
    corners = half @ turn.T + centre
    return tuple((round(float(RANGE_M - y), 2), round(float(RANGE_M - x), 2)) for x, y in corners)
