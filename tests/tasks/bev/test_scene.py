"""Clips from seeds: the same bytes each time, labels that know what is hidden, exact images."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from deploykit.tasks.bev import geometry as g
from deploykit.tasks.bev.bodies import PLAIN, Body, Part
from deploykit.tasks.bev.occluders import sight_blocked
from deploykit.tasks.bev.render import draw_frame
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE, generate_clip, label_states
from deploykit.tasks.bev.world import Weather, World

_HASH = """
import hashlib
from deploykit.tasks.bev.scene import generate_clip
frame = generate_clip("train", 3, 2)[1]
print(hashlib.sha256(frame.images.tobytes() + frame.labels.centre.tobytes()).hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    frame = generate_clip("train", 3, 2)[1]
    here = hashlib.sha256(frame.images.tobytes() + frame.labels.centre.tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", _HASH], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


def test_splits_indices_and_seeds_are_different_worlds() -> None:
    frames = [
        generate_clip("train", 0, 1)[0],
        generate_clip("train", 1, 1)[0],
        generate_clip("validation", 0, 1)[0],
        generate_clip("dev", 0, 1)[0],
        generate_clip("train", 0, 1, seed=1)[0],
    ]
    assert len({frame.images.tobytes() for frame in frames}) == len(frames)


def test_states_of_a_hand_made_history() -> None:
    # Columns: always seen; seen, then hidden, then seen; never seen until the end; seen but then out of
    # range.
    pixels = np.array([[50, 12, 0, 40], [50, 11, 3, 40], [50, 90, 12, 40]])
    distance = np.array([[5.0, 5.0, 5.0, 19.0], [5.0, 5.0, 5.0, 20.0], [5.0, 5.0, 5.0, 25.0]])
    assert label_states(pixels, distance).tolist() == [
        [VISIBLE, VISIBLE, IGNORED, VISIBLE],
        [VISIBLE, HIDDEN, IGNORED, IGNORED],
        [VISIBLE, VISIBLE, VISIBLE, IGNORED],
    ]


def _cuboid(
    label: int, x: float, y: float, size: tuple[float, float, float], velocity_y: float = 0.0
) -> Body:
    part = Part(0.0, 0.0, 0.0, size[2], size[0], size[1], (0.9, 0.1, 0.1), PLAIN)
    return Body(label, x, y, 0.0, 0.0, velocity_y, size, (part,))


def _world(*bodies: Body, frames: int = 1) -> World:
    weather = Weather((0.0, 0.0, 1.0), 1.0, 1e5, 1.0, (1.0, 1.0, 1.0), 0.0, (0.5, 0.6, 0.7))
    return World(np.zeros((frames, 3)), bodies, 5.0, 10.0, 1, weather)


def test_a_box_covers_exactly_the_pixels_that_geometry_says() -> None:
    # Front face 10 m from camera 0, 1 m wide and 1.6 m high: 18.28 px by 29.25 px, from the horizon row 36
    # down. Pixel centres inside: columns 119 .. 136 (18), rows 36 .. 64 (29).
    drawing = draw_frame(_world(_cuboid(1, 11.0, 0.0, (1.0, 1.0, 1.6))), 0, np.random.default_rng(0))
    assert drawing.visible_pixels.tolist() == [18 * 29]
    red = drawing.images[0, 0].astype(int) - drawing.images[0, 1] > 100
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (36, 64, 119, 136)
    assert drawing.depth[0, 50, 128] == pytest.approx(10.0, abs=1e-4)


def test_a_wall_hides_what_walks_behind_it() -> None:
    # The pedestrian walks left at 3 m/s, 12 m ahead; the wall, 6 m ahead, covers y = -1 .. 1: about -2 .. 2
    # behind it.
    walker = _cuboid(1, 12.0, -3.0, (0.4, 0.4, 1.7), velocity_y=3.0)
    wall = _cuboid(-1, 6.0, 0.0, (0.3, 2.0, 2.5))
    world = _world(walker, wall, frames=5)
    pixels = [draw_frame(world, t, np.random.default_rng(0)).visible_pixels[0] for t in range(5)]
    seen = [count >= 12 for count in pixels]
    assert [bool(value) for value in seen] == [True, False, False, False, True]
    assert pixels[2] == 0


def test_the_nearer_of_two_boxes_wins_whatever_their_order() -> None:
    near, far = _cuboid(0, 6.0, 0.0, (1.0, 3.0, 2.0)), _cuboid(0, 10.0, 0.0, (1.0, 1.0, 1.0))
    for bodies in ((near, far), (far, near)):
        pixels = draw_frame(_world(*bodies), 0, np.random.default_rng(0)).visible_pixels
        assert pixels[bodies.index(far)] == 0
        assert pixels[bodies.index(near)] > 1000


def test_sight_lines_and_a_turned_wall() -> None:
    # A wall of 4 x 0.2 m at (5, 0), turned across the sight.
    eye = np.zeros(2)
    targets = np.array([[10.0, 0.0], [10.0, 5.0], [4.0, 0.0], [-10.0, 0.0]])
    blocked = sight_blocked(eye, targets, (5.0, 0.0), math.pi / 2, 4.0, 0.2)
    assert blocked.tolist() == [True, False, False, False]


def test_labels_stand_where_the_pixels_are() -> None:
    """What shows more than 150 pixels projects into an image, and the depth map has a surface there."""
    checked = 0
    for frame in generate_clip("train", 5, 2):
        labels = frame.labels
        for centre, size, pixels in zip(labels.centre, labels.size, labels.visible_pixels, strict=True):
            if pixels < 150 or np.hypot(*centre) < 6:
                continue
            point = np.array([*centre, size[2] * 0.4])
            hits = []
            for camera in range(g.CAMERAS):
                u, v, depth = g.project(point, camera)
                if depth > 0 and 2 < u < g.IMAGE_WIDTH - 2 and v < g.IMAGE_HEIGHT - 1:
                    surface = float(frame.depth[camera, int(v), int(u)])
                    hits.append(surface <= float(depth) + 0.1)
            assert hits
            assert all(hits)
            checked += 1
    assert checked >= 5


def test_enough_is_hidden_for_memory_to_matter() -> None:
    states = [frame.labels.state for index in range(6) for frame in generate_clip("dev", index, 6)]
    counts = np.bincount(np.concatenate(states), minlength=3)
    assert counts[HIDDEN] / counts.sum() > 0.08
    assert counts[VISIBLE] / counts.sum() > 0.6
