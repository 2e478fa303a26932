"""The symmetry that training uses is exact, and targets say what the labels say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from deploykit.tasks.bev import geometry as g
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE
from tools.bev_data import depth_bins, draw_targets, forget_before_start, generate_cache, load_clip, turn_clip

Loaded = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder: Path = tmp_path_factory.mktemp("clips")
    generate_cache(folder, 1, 2, workers=1)
    return load_clip(folder, 0)


@pytest.mark.parametrize(("steps", "mirror"), [(1, False), (0, True), (4, True)])
def test_a_turned_clip_shows_each_object_where_its_label_is(clip: Loaded, steps: int, mirror: bool) -> None:
    images, _, ego, labels = clip
    turned = turn_clip(*clip, steps=steps, mirror=mirror)
    checked = 0
    for row, new in zip(labels[1], turned[3][1], strict=True):
        for camera in range(g.CAMERAS):
            u, v, depth = g.project(np.array([row[1], row[2], 0.5]), camera)
            if row[0] < 0 or depth < 1 or not (0 < u < g.IMAGE_WIDTH and v < g.IMAGE_HEIGHT):
                continue
            there = (camera + steps) % g.CAMERAS
            there = -there % g.CAMERAS if mirror else there
            new_u, new_v, new_depth = g.project(np.array([new[1], new[2], 0.5]), there)
            assert new_u == pytest.approx(g.IMAGE_WIDTH - u if mirror else u, abs=1e-3)
            assert (float(new_v), float(new_depth)) == pytest.approx((float(v), float(depth)), abs=1e-3)
            pixel = images[1, camera, :, int(v), int(u)]
            column = g.IMAGE_WIDTH - 1 - int(u) if mirror else int(u)
            assert np.array_equal(turned[0][1, there, :, int(v), column], pixel)
            checked += 1
    assert checked >= 5
    # A point carried to the last frame and then turned is the same as turned and then carried.
    point = np.array([3.0, -2.0, 1.0])
    whole = np.diag([1.0, -1.0 if mirror else 1.0]) @ _rotation(math.radians(60 * steps))
    carried = turned[2][1] @ np.append(whole @ point[:2], 1.0)
    assert carried == pytest.approx(whole @ (ego[1] @ point), abs=1e-5)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def test_targets_of_one_hidden_car_and_one_unseen_pedestrian() -> None:
    labels = np.zeros((20, 10))
    labels[:, 0] = -1
    labels[0] = [0, 1.0, -2.0, 4.5, 1.8, 1.5, math.pi / 2, 2.0, 0.5, HIDDEN]
    labels[1] = [1, 8.0, 8.0, 0.4, 0.5, 1.7, 0.0, 0.0, 0.0, IGNORED]
    heat, weight, cells, values, _ = draw_targets(labels)
    # x = 1.0 is column 33 (0.64 .. 1.28), y = -2.0 is row 28 (-2.56 .. -1.92).
    assert np.argwhere(heat[0] == 1.0).tolist() == [[28, 33]]
    assert weight[0, 28, 33] > 1.0
    assert heat[1].max() == 0.0
    assert weight[1, 44, 44] == 0.0
    own = cells.tolist().index([28, 33])
    centres = g.cell_centres()
    assert values[own] == pytest.approx(
        [1.0 - centres[33], -2.0 - centres[28], 4.5, 1.8, 1.5, 1.0, 0.0, 2.0, 0.5], abs=1e-6
    )


def test_what_was_seen_only_before_the_cut_was_never_seen() -> None:
    labels = np.zeros((3, 20, 10))
    labels[:, 0, 9] = [HIDDEN, VISIBLE, HIDDEN]
    labels[:, 1, 9] = [HIDDEN, HIDDEN, VISIBLE]
    ego = np.full((3, 2, 3), 7.0)
    forget_before_start(ego, labels)
    assert labels[:, 0, 9].tolist() == [IGNORED, VISIBLE, HIDDEN]
    assert labels[:, 1, 9].tolist() == [IGNORED, IGNORED, VISIBLE]
    assert ego[0].tolist() == np.eye(2, 3).tolist()


def test_depth_bins_are_even_in_log_depth() -> None:
    depth = np.full((6, 96, 256), 1e6, np.float32)
    depth[0, 0:8, 0:8] = 2.0
    depth[0, 0:8, 8:16] = 2.0 * 12.0 ** (5 / 23)
    bins = depth_bins(depth)
    assert bins[0, 0, :3].tolist() == [0, 5, 23]
