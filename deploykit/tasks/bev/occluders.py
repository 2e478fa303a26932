"""Trucks and walls, put where they hide what the ego has already seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.bodies import PLAIN, TRUCK, WALL, Body, Part, is_free, random_colour, wrap_angle
from deploykit.tasks.bev.geometry import RANGE_M

Floats = NDArray[np.floating[Any]]

_CANDIDATES = 120


def choose_occluders(rng: np.random.Generator, ego: Floats, objects: tuple[Body, ...]) -> tuple[Body, ...]:
    """Pick, out of many free places, the trucks and walls that hide the most of what was seen before.

    Greedy: each pick adds the candidate with the best score given those already there.
    """
    wanted = int(rng.integers(2, 6))
    if not objects:
        return ()
    targets, in_range = _sight_targets(ego, objects)
    candidates: list[Body] = []
    blocked: list[NDArray[np.bool_]] = []
    for _ in range(_CANDIDATES):
        candidate = _sample_occluder(rng, ego, objects)
        if not is_free(candidate, ego, objects):
            continue
        candidates.append(candidate)
        lines = sight_blocked(
            ego[None, :, None, :2], targets, (candidate.x, candidate.y), candidate.yaw, *candidate.size[:2]
        )
        blocked.append(np.all(lines, axis=-1))
    chosen: list[int] = []
    hidden = np.zeros(in_range.shape, bool)
    for _ in range(wanted):
        scores = [
            -math.inf
            if any(_rectangles_touch(candidates[i], candidates[j]) for j in chosen)
            else _hiding_score(hidden | blocked[i], in_range)
            for i in range(len(candidates))
        ]
        if not scores or max(scores) <= _hiding_score(hidden, in_range):
            break
        best = int(np.argmax(scores))
        chosen.append(best)
        hidden |= blocked[best]
    return tuple(candidates[i] for i in chosen)


def sight_blocked(
    eye: Floats, targets: Floats, centre: tuple[float, float], yaw: float, length: float, width: float
) -> NDArray[np.bool_]:
    """Tell which sight lines from ``eye`` (..., 2) to ``targets`` (..., 2) cross a rectangle."""
    cosine, sine = math.cos(yaw), math.sin(yaw)

    def local(points: Floats) -> tuple[Floats, Floats]:
        dx, dy = points[..., 0] - centre[0], points[..., 1] - centre[1]
        return cosine * dx + sine * dy, -sine * dx + cosine * dy

    eye_x, eye_y = local(eye)
    to_x, to_y = local(targets)
    step_x, step_y = to_x - eye_x, to_y - eye_y
    step_x = np.where(np.abs(step_x) < 1e-9, 1e-9, step_x)
    step_y = np.where(np.abs(step_y) < 1e-9, 1e-9, step_y)
    x_a, x_b = (-length / 2 - eye_x) / step_x, (length / 2 - eye_x) / step_x
    y_a, y_b = (-width / 2 - eye_y) / step_y, (width / 2 - eye_y) / step_y
    enter = np.maximum(np.minimum(x_a, x_b), np.minimum(y_a, y_b))
    leave = np.minimum(np.maximum(x_a, x_b), np.maximum(y_a, y_b))
    return np.asarray((enter <= leave) & (leave >= 0.0) & (enter <= 1.0))


def _sight_targets(ego: Floats, objects: tuple[Body, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return three points across each object, (objects, frames, 3, 2), and who is in range."""
    frames = len(ego)
    centres = np.array([[body.position(t) for t in range(frames)] for body in objects])
    radius = np.array([0.45 * max(body.size[:2]) for body in objects])
    sight = centres - ego[None, :, :2]
    distance = np.maximum(np.hypot(sight[..., 0], sight[..., 1]), 1e-6)
    across = np.stack([-sight[..., 1], sight[..., 0]], axis=-1) / distance[..., None] * radius[:, None, None]
    targets = centres[:, :, None, :] + across[:, :, None, :] * np.array([-1.0, 0.0, 1.0])[:, None]
    return targets, distance < RANGE_M


def _hiding_score(hidden: NDArray[np.bool_], in_range: NDArray[np.bool_]) -> float:
    """Reward frames in which an object is hidden after it was seen, more if seen twice; punish never seen."""
    seen_before = np.cumsum(in_range & ~hidden, axis=1)
    remembered = in_range & hidden
    return float(
        np.sum(remembered & (seen_before == 1)) * 0.6
        + np.sum(remembered & (seen_before > 1))
        - np.sum(remembered & (seen_before == 0)) * 0.8
    )


def _sample_occluder(rng: np.random.Generator, ego: Floats, objects: tuple[Body, ...]) -> Body:
    """Draw a truck or a wall on the sight line to some object at some frame."""
    frame = int(rng.integers(1, len(ego))) if len(ego) > 1 else 0
    target = objects[int(rng.integers(len(objects)))].position(frame)
    share = float(rng.uniform(0.3, 0.85))
    dx, dy = target[0] - float(ego[frame, 0]), target[1] - float(ego[frame, 1])
    x, y = float(ego[frame, 0]) + share * dx, float(ego[frame, 1]) + share * dy
    sight = math.atan2(dy, dx)
    if rng.random() < 0.5:
        length, width, height = (float(v) for v in rng.uniform((5.5, 2.2, 2.5), (8.5, 2.6, 3.4)))
        yaw = sight + math.pi / 2 + float(rng.normal(0.0, 0.5))
        paint, cab = random_colour(rng, 0.3, 0.95), random_colour(rng, 0.1, 0.9)
        parts: tuple[Part, ...] = (
            Part(-0.12 * length, 0.0, 0.5, height, 0.76 * length, width, paint, TRUCK),
            Part(0.4 * length, 0.0, 0.3, height * 0.8, 0.2 * length, width * 0.95, cab, TRUCK),
            Part(0.0, 0.0, 0.0, 0.5, 0.96 * length, width * 0.8, (0.07, 0.07, 0.07), PLAIN),
        )
    else:
        length, width, height = (float(v) for v in rng.uniform((3.0, 0.25, 2.0), (9.0, 0.5, 2.8)))
        yaw = sight + math.pi / 2 + float(rng.normal(0.0, 0.4))
        parts = (Part(0.0, 0.0, 0.0, height, length, width, random_colour(rng, 0.3, 0.75), WALL),)
    return Body(-1, x, y, wrap_angle(yaw), 0.0, 0.0, (length, width, height), parts)


def _rectangles_touch(a: Body, b: Body) -> bool:
    """Tell, on the safe side, whether two occluders' footprints may overlap."""
    return math.hypot(a.x - b.x, a.y - b.y) < (a.size[0] + b.size[0]) / 2 * 0.8
