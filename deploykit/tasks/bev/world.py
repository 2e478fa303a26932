"""Sample one driving situation: the ego's path, cars, pedestrians, and what stands in between.

Everything comes from one numpy Generator, drawn in a fixed order, so a seed is a situation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.geometry import FRAME_S, RANGE_M

Floats = NDArray[np.floating[Any]]

CLASSES = ("car", "pedestrian")
PLAIN, CAR_BODY, CAR_CABIN, TRUCK, WALL, FOLIAGE, HOUSE = range(7)

_EGO_CLEARANCE_M = 3.2
_MAX_PLACEMENTS = 40
_OCCLUDER_CANDIDATES = 120


@dataclass(frozen=True)
class Part:
    """A cuboid of an object: centre offset along the object's axes, bottom, top, length, width (metres)."""

    offset_x: float
    offset_y: float
    bottom: float
    top: float
    length: float
    width: float
    colour: tuple[float, float, float]
    material: int


@dataclass(frozen=True)
class Body:
    """Something that stands or moves at a constant velocity; ``label`` indexes CLASSES or is -1."""

    label: int
    x: float
    y: float
    yaw: float
    velocity_x: float
    velocity_y: float
    size: tuple[float, float, float]
    parts: tuple[Part, ...]

    def position(self, frame: int) -> tuple[float, float]:
        """Return (x, y) in the world at a frame, metres."""
        return self.x + self.velocity_x * FRAME_S * frame, self.y + self.velocity_y * FRAME_S * frame


@dataclass(frozen=True)
class Weather:
    """Light, fog and sensor of one clip."""

    sun: tuple[float, float, float]
    ambient: float
    fog_distance_m: float
    gain: float
    tint: tuple[float, float, float]
    noise: float
    sky: tuple[float, float, float]


@dataclass(frozen=True)
class World:
    """One clip before it is drawn: ego poses (frames, 3) as x, y, yaw; labelled bodies, then scenery."""

    ego: Floats
    bodies: tuple[Body, ...]
    road_half_width_m: float
    zebra_x_m: float
    texture: int
    weather: Weather


def sample_world(rng: np.random.Generator, frames: int) -> World:
    """Draw a situation at 2 Hz in which trucks and walls tend to hide what was seen before."""
    ego = _ego_path(rng, frames)
    objects = _place_objects(rng, ego)
    occluders = _choose_occluders(rng, ego, objects)
    scenery = _place_scenery(rng, ego, (*objects, *occluders))
    weather = _sample_weather(rng)
    return World(
        ego=ego,
        bodies=(*objects, *occluders, *scenery),
        road_half_width_m=float(rng.uniform(4.0, 8.0)),
        zebra_x_m=float(rng.uniform(-10.0, 25.0)),
        texture=int(rng.integers(1 << 30)),
        weather=weather,
    )


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


def _ego_path(rng: np.random.Generator, frames: int) -> Floats:
    speed = 0.0 if rng.random() < 0.2 else float(rng.uniform(1.0, 7.0))
    turn = float(rng.uniform(-0.3, 0.3)) if rng.random() < 0.6 and speed > 0 else 0.0
    yaw = float(rng.normal(0.0, 0.15)) if rng.random() < 0.75 else float(rng.uniform(-math.pi, math.pi))
    x, y = 0.0, float(rng.uniform(-3.0, 3.0))
    poses = []
    for _ in range(frames):
        poses.append((x, y, yaw))
        middle = yaw + turn * FRAME_S / 2
        x += speed * FRAME_S * math.cos(middle)
        y += speed * FRAME_S * math.sin(middle)
        yaw += turn * FRAME_S
    return np.array(poses)


def _place_objects(rng: np.random.Generator, ego: Floats) -> tuple[Body, ...]:
    placed: list[Body] = []
    wanted = [0] * int(rng.integers(4, 10)) + [1] * int(rng.integers(4, 10))
    for label in wanted:
        for _ in range(_MAX_PLACEMENTS):
            body = _sample_object(rng, ego, label)
            if _is_free(body, ego, placed):
                placed.append(body)
                break
    return tuple(placed)


def _sample_object(rng: np.random.Generator, ego: Floats, label: int) -> Body:
    """Draw an object that is within range of the ego at some frame; at others it may not be."""
    frame = int(rng.integers(len(ego)))
    x, y = _around(rng, ego[frame], 4.5, RANGE_M)
    if label == 0:
        yaw = float(rng.choice([0.0, math.pi])) + float(rng.normal(0.0, 0.08))
        if rng.random() < 0.4:
            yaw = float(rng.uniform(-math.pi, math.pi))
        speed = 0.0 if rng.random() < 0.5 else float(rng.uniform(1.0, 6.0))
        size, parts = _car(rng)
    else:
        yaw = float(rng.uniform(-math.pi, math.pi))
        speed = 0.0 if rng.random() < 0.35 else float(rng.uniform(0.5, 1.7))
        size, parts = _pedestrian(rng)
    velocity_x, velocity_y = speed * math.cos(yaw), speed * math.sin(yaw)
    start_x, start_y = x - velocity_x * FRAME_S * frame, y - velocity_y * FRAME_S * frame
    return Body(label, start_x, start_y, _wrap(yaw), velocity_x, velocity_y, size, parts)


def _car(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[Part, ...]]:
    length, width, height = (float(v) for v in rng.uniform((3.6, 1.65, 1.35), (4.9, 1.95, 1.75)))
    paint = _colour(rng, 0.08, 0.95)
    glass = (0.08, 0.1, 0.13)
    waist = height * float(rng.uniform(0.52, 0.62))
    cabin = length * float(rng.uniform(0.45, 0.6))
    return (length, width, height), (
        Part(0.0, 0.0, 0.22, waist, length, width, paint, CAR_BODY),
        Part(-0.06 * length, 0.0, waist, height, cabin, width * 0.88, glass, CAR_CABIN),
        Part(-0.06 * length, 0.0, height - 0.06, height, cabin * 0.9, width * 0.86, paint, PLAIN),
    )


def _pedestrian(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[Part, ...]]:
    height = float(rng.uniform(1.55, 1.9))
    width = float(rng.uniform(0.45, 0.62))
    depth = float(rng.uniform(0.3, 0.42))
    skin = float(rng.uniform(0.35, 0.85))
    legs = Part(0.0, 0.0, 0.0, 0.48 * height, depth * 0.8, width * 0.7, _colour(rng, 0.05, 0.6), PLAIN)
    torso = Part(0.0, 0.0, 0.48 * height, 0.84 * height, depth, width, _colour(rng, 0.08, 0.95), PLAIN)
    head = Part(0.0, 0.0, 0.86 * height, height, 0.22, 0.2, (skin, 0.75 * skin, 0.6 * skin), PLAIN)
    return (depth, width, height), (legs, torso, head)


def _choose_occluders(rng: np.random.Generator, ego: Floats, objects: tuple[Body, ...]) -> tuple[Body, ...]:
    """Pick, out of many free places, the trucks and walls that hide the most of what was seen before.

    Greedy: each pick adds the candidate with the best score given those already there.
    """
    wanted = int(rng.integers(2, 6))
    if not objects:
        return ()
    targets, in_range = _sight_targets(ego, objects)
    candidates: list[Body] = []
    blocked: list[NDArray[np.bool_]] = []
    for _ in range(_OCCLUDER_CANDIDATES):
        candidate = _sample_occluder(rng, ego, objects)
        if not _is_free(candidate, ego, objects):
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
        paint, cab = _colour(rng, 0.3, 0.95), _colour(rng, 0.1, 0.9)
        parts: tuple[Part, ...] = (
            Part(-0.12 * length, 0.0, 0.5, height, 0.76 * length, width, paint, TRUCK),
            Part(0.4 * length, 0.0, 0.3, height * 0.8, 0.2 * length, width * 0.95, cab, TRUCK),
            Part(0.0, 0.0, 0.0, 0.5, 0.96 * length, width * 0.8, (0.07, 0.07, 0.07), PLAIN),
        )
    else:
        length, width, height = (float(v) for v in rng.uniform((3.0, 0.25, 2.0), (9.0, 0.5, 2.8)))
        yaw = sight + math.pi / 2 + float(rng.normal(0.0, 0.4))
        parts = (Part(0.0, 0.0, 0.0, height, length, width, _colour(rng, 0.3, 0.75), WALL),)
    return Body(-1, x, y, _wrap(yaw), 0.0, 0.0, (length, width, height), parts)


def _place_scenery(rng: np.random.Generator, ego: Floats, others: tuple[Body, ...]) -> tuple[Body, ...]:
    placed: list[Body] = []
    wanted = ["pole"] * int(rng.integers(3, 9)) + ["bush"] * int(rng.integers(2, 7)) + ["house"] * 7
    for kind in wanted:
        pose = ego[int(rng.integers(len(ego)))]
        if kind == "house":
            # Behind the range, so that the horizon is not bare.
            x, y = _around(rng, ego[len(ego) // 2], 36.0, 55.0)
            length, width, height = (float(v) for v in rng.uniform((8.0, 8.0, 3.0), (16.0, 14.0, 9.0)))
            parts: tuple[Part, ...] = (
                Part(0.0, 0.0, 0.0, height, length, width, _colour(rng, 0.3, 0.85), HOUSE),
            )
        elif kind == "bush":
            x, y = _around(rng, pose, 6.0, 24.0)
            length, width, height = (float(v) for v in rng.uniform((0.8, 0.8, 0.5), (2.4, 2.0, 1.3)))
            green = (float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.3, 0.5)), 0.12)
            parts = (
                Part(0.0, 0.0, 0.0, 0.7 * height, length, width, green, FOLIAGE),
                Part(0.1, 0.1, 0.7 * height, height, 0.6 * length, 0.6 * width, green, FOLIAGE),
            )
        else:
            x, y = _around(rng, pose, 5.0, 24.0)
            length = width = float(rng.uniform(0.12, 0.3))
            height = float(rng.uniform(0.9, 4.5))
            parts = (Part(0.0, 0.0, 0.0, height, length, width, _colour(rng, 0.15, 0.8), PLAIN),)
        yaw = float(rng.uniform(-math.pi, math.pi))
        body = Body(-1, x, y, yaw, 0.0, 0.0, (length, width, height), parts)
        if _is_free(body, ego, others):
            placed.append(body)
    return tuple(placed)


def _sample_weather(rng: np.random.Generator) -> Weather:
    azimuth, elevation = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.3, 1.2))
    sun = (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )
    grey = float(rng.uniform(0.55, 0.9))
    return Weather(
        sun=sun,
        ambient=float(rng.uniform(0.35, 0.7)),
        fog_distance_m=float(rng.uniform(30.0, 60.0))
        if rng.random() < 0.35
        else float(rng.uniform(90.0, 300.0)),
        gain=float(rng.uniform(0.65, 1.25)),
        tint=(float(rng.uniform(0.93, 1.07)), 1.0, float(rng.uniform(0.93, 1.07))),
        noise=float(rng.uniform(0.01, 0.05)),
        sky=(grey * 0.9, grey * 0.97, min(1.0, grey * 1.08)),
    )


def _around(rng: np.random.Generator, pose: Floats, nearest: float, farthest: float) -> tuple[float, float]:
    """Draw a point of the ring around a pose, denser near it than uniform by area."""
    distance = nearest + (farthest - nearest) * float(rng.random()) ** 0.75
    angle = float(rng.uniform(-math.pi, math.pi))
    return float(pose[0]) + distance * math.cos(angle), float(pose[1]) + distance * math.sin(angle)


def _colour(rng: np.random.Generator, low: float, high: float) -> tuple[float, float, float]:
    base = float(rng.uniform(low, high))
    spread = rng.uniform(-0.25, 0.25, 3) if rng.random() < 0.6 else np.zeros(3)
    red, green, blue = (float(v) for v in np.clip(base + spread, 0.03, 0.98))
    return red, green, blue


def _wrap(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


def _is_free(body: Body, ego: Floats, others: tuple[Body, ...] | list[Body]) -> bool:
    """Tell whether a body keeps clear of the ego and of the others at every frame."""
    for frame in range(len(ego)):
        here = body.position(frame)
        if _gap(body, here, (float(ego[frame, 0]), float(ego[frame, 1]))) < _EGO_CLEARANCE_M:
            return False
        for other in others:
            there = other.position(frame)
            if abs(here[0] - there[0]) > 14 or abs(here[1] - there[1]) > 14:
                continue
            small, big = sorted(((body, here), (other, there)), key=lambda pair: pair[0].size[0])
            if _gap(big[0], big[1], small[1]) < 0.15 + max(small[0].size[:2]) / 2:
                return False
    return True


def _gap(body: Body, centre: tuple[float, float], point: tuple[float, float]) -> float:
    """Return the distance from a point to a body's footprint, metres (0 inside)."""
    cosine, sine = math.cos(body.yaw), math.sin(body.yaw)
    dx, dy = point[0] - centre[0], point[1] - centre[1]
    outside_x = max(0.0, abs(cosine * dx + sine * dy) - body.size[0] / 2)
    outside_y = max(0.0, abs(-sine * dx + cosine * dy) - body.size[1] / 2)
    return math.hypot(outside_x, outside_y)


def _rectangles_touch(a: Body, b: Body) -> bool:
    """Tell, on the safe side, whether two occluders' footprints may overlap."""
    return math.hypot(a.x - b.x, a.y - b.y) < (a.size[0] + b.size[0]) / 2 * 0.8
