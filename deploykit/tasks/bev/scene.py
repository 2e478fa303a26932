"""Synthetic driving clips from seeds: images, ego motion, and labels that know what is or was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.geometry import RANGE_M, relative_pose
from deploykit.tasks.bev.render import draw_frame
from deploykit.tasks.bev.world import World, sample_world

Floats = NDArray[np.floating[Any]]
Split = Literal["train", "dev", "validation"]

_SPLIT_KEYS: dict[str, int] = {"train": 1, "dev": 2, "validation": 3}
MIN_VISIBLE_PIXELS = 12
VISIBLE, HIDDEN, IGNORED = 0, 1, 2
"""State of a label: seen now; seen earlier in the clip but not now; never seen yet, or out of range."""


@dataclass(frozen=True)
class Labels:
    """The objects of one frame in its ego frame, one row each.

    ``label`` indexes CLASSES; ``centre`` is x, y (metres); ``size`` length, width, height (metres); ``yaw``
    radians; ``velocity`` is over ground, along the ego's axes (m/s); ``state`` is VISIBLE, HIDDEN or IGNORED.
    """

    label: NDArray[np.int64]
    centre: Floats
    size: Floats
    yaw: Floats
    velocity: Floats
    state: NDArray[np.int64]
    visible_pixels: NDArray[np.int64]


@dataclass(frozen=True)
class SceneFrame:
    """One moment: RGB images (6, 3, 96, 256); ``ego_motion`` (2, 3) takes its metres to the last's."""

    images: NDArray[np.uint8]
    ego_motion: Floats
    labels: Labels
    depth: NDArray[np.float32]


def generate_clip(split: Split, index: int, frames: int, seed: int = 0) -> tuple[SceneFrame, ...]:
    """Draw one clip at 2 Hz; the same arguments give the same bytes."""
    key = (seed, _SPLIT_KEYS[split], index)
    world = sample_world(np.random.default_rng((*key, 0)), frames)
    drawings = [draw_frame(world, t, np.random.default_rng((*key, 1 + t))) for t in range(frames)]
    pixels = np.stack([drawing.visible_pixels for drawing in drawings])
    states = label_states(pixels, _distances(world))
    return tuple(
        SceneFrame(
            images=drawing.images,
            ego_motion=relative_pose(world.ego[t], world.ego[max(t - 1, 0)]),
            labels=_labels(world, t, pixels[t], states[t]),
            depth=drawing.depth,
        )
        for t, drawing in enumerate(drawings)
    )


def label_states(visible_pixels: NDArray[np.int64], distance_m: Floats) -> NDArray[np.int64]:
    """Turn visible pixels and ego distances, both (frames, objects), into label states of the same shape."""
    seen = visible_pixels >= MIN_VISIBLE_PIXELS
    seen_by_now = np.logical_or.accumulate(seen, axis=0)
    state = np.where(seen, VISIBLE, np.where(seen_by_now, HIDDEN, IGNORED))
    return np.where(distance_m < RANGE_M, state, IGNORED)


def _distances(world: World) -> Floats:
    frames = range(len(world.ego))
    return np.array(
        [
            [math.dist(body.position(t), (world.ego[t, 0], world.ego[t, 1])) for body in world.bodies]
            for t in frames
        ]
    ).reshape(len(frames), -1)


def _labels(world: World, frame: int, pixels: NDArray[np.int64], state: NDArray[np.int64]) -> Labels:
    ego_x, ego_y, ego_yaw = (float(v) for v in world.ego[frame])
    cosine, sine = math.cos(ego_yaw), math.sin(ego_yaw)
    chosen = [i for i, body in enumerate(world.bodies) if body.label >= 0]
    rows = []
    for i in chosen:
        body = world.bodies[i]
        x, y = body.position(frame)
        dx, dy = x - ego_x, y - ego_y
        rows.append(
            (
                cosine * dx + sine * dy,
                -sine * dx + cosine * dy,
                *body.size,
                math.remainder(body.yaw - ego_yaw, 2 * math.pi),
                cosine * body.velocity_x + sine * body.velocity_y,
                -sine * body.velocity_x + cosine * body.velocity_y,
            )
        )
    table = np.array(rows).reshape(-1, 8)
    return Labels(
        label=np.array([world.bodies[i].label for i in chosen], np.int64),
        centre=table[:, :2],
        size=table[:, 2:5],
        yaw=table[:, 5],
        velocity=table[:, 6:],
        state=state[chosen],
        visible_pixels=pixels[chosen],
    )
