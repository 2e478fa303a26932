"""Turn the network's maps into boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.bodies import CLASSES
from deploykit.tasks.bev.geometry import RANGE_M, Floats, cell_centres

MIN_SCORE = 0.03
MAX_BOXES_PER_CLASS = 40
APART_M = (1.5, 0.5)
"""Per class: of two boxes whose centres are nearer than this, the one with the lower score goes."""


@dataclass(frozen=True)
class Boxes:
    """Detections of one frame in the ego frame, best score first; units as in `scene.Labels`."""

    label: NDArray[np.int64]
    score: Floats
    centre: Floats
    size: Floats
    yaw: Floats
    velocity: Floats


def decode(heatmap: NDArray[Any], regressions: NDArray[Any]) -> Boxes:
    """Decode one frame: ``heatmap`` (1, 2, 64, 64) in 0..1 and ``regressions`` (1, 9, 64, 64).

    The nine are offset x, y (m) from the cell's centre; length, width, height (m); sine, cosine of yaw;
    velocity x, y (m/s). A box is a cell that is the greatest of its 3 x 3 neighbours. The maps are indexed
    [y, x].
    """
    heat = np.asarray(heatmap, np.float64)[0]
    values = np.asarray(regressions, np.float64)[0]
    centres = cell_centres()
    kept: list[tuple[int, float, int, int, float, float]] = []
    for label in range(len(CLASSES)):
        found: list[tuple[int, float, int, int, float, float]] = []
        for row, column in _peaks(heat[label]):
            x = float(centres[column] + values[0, row, column])
            y = float(centres[row] + values[1, row, column])
            crowded = any(np.hypot(x - other[4], y - other[5]) < APART_M[label] for other in found)
            if not crowded and np.hypot(x, y) < RANGE_M:
                found.append((label, float(heat[label, row, column]), row, column, x, y))
        kept.extend(found[:MAX_BOXES_PER_CLASS])
    kept.sort(key=lambda box: -box[1])
    rows = np.array([box[2] for box in kept], np.int64)
    columns = np.array([box[3] for box in kept], np.int64)
    at = values[:, rows, columns].T.reshape(-1, len(values))
    return Boxes(
        label=np.array([box[0] for box in kept], np.int64),
        score=np.array([box[1] for box in kept]),
        centre=np.array([box[4:] for box in kept]).reshape(-1, 2),
        size=at[:, 2:5],
        yaw=np.arctan2(at[:, 5], at[:, 6]),
        velocity=at[:, 7:9],
    )


def _peaks(heat: Floats) -> list[tuple[int, int]]:
    """Return (row, column) of the local maxima above MIN_SCORE, best first; ties in reading order."""
    padded = np.pad(heat, 1, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).max(axis=(2, 3))
    rows, columns = np.nonzero((heat >= around) & (heat >= MIN_SCORE))
    order = np.argsort(-heat[rows, columns], kind="stable")
    return [(int(rows[i]), int(columns[i])) for i in order]
