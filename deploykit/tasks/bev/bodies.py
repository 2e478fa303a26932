"""What stands and moves in a scene: bodies made of cuboids, how they look, and whether they keep apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.geometry import FRAME_S

Floats = NDArray[np.floating[Any]]

CLASSES = ("car", "pedestrian")
PLAIN, CAR_BODY, CAR_CABIN, TRUCK, WALL, FOLIAGE, HOUSE = range(7)

_EGO_CLEARANCE_M = 3.2


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


def random_car(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[Part, ...]]:
    length, width, height = (float(v) for v in rng.uniform((3.6, 1.65, 1.35), (4.9, 1.95, 1.75)))
    paint = random_colour(rng, 0.08, 0.95)
    glass = (0.08, 0.1, 0.13)
    waist = height * float(rng.uniform(0.52, 0.62))
    cabin = length * float(rng.uniform(0.45, 0.6))
    return (length, width, height), (
        Part(0.0, 0.0, 0.22, waist, length, width, paint, CAR_BODY),
        Part(-0.06 * length, 0.0, waist, height, cabin, width * 0.88, glass, CAR_CABIN),
        Part(-0.06 * length, 0.0, height - 0.06, height, cabin * 0.9, width * 0.86, paint, PLAIN),
    )


def random_pedestrian(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[Part, ...]]:
    height = float(rng.uniform(1.55, 1.9))
    width = float(rng.uniform(0.45, 0.62))
    depth = float(rng.uniform(0.3, 0.42))
    skin = float(rng.uniform(0.35, 0.85))
    legs = Part(0.0, 0.0, 0.0, 0.48 * height, depth * 0.8, width * 0.7, random_colour(rng, 0.05, 0.6), PLAIN)
    torso = Part(0.0, 0.0, 0.48 * height, 0.84 * height, depth, width, random_colour(rng, 0.08, 0.95), PLAIN)
    head = Part(0.0, 0.0, 0.86 * height, height, 0.22, 0.2, (skin, 0.75 * skin, 0.6 * skin), PLAIN)
    return (depth, width, height), (legs, torso, head)


def random_place(
    rng: np.random.Generator, pose: Floats, nearest: float, farthest: float
) -> tuple[float, float]:
    """Draw a point of the ring around a pose, denser near it than uniform by area."""
    distance = nearest + (farthest - nearest) * float(rng.random()) ** 0.75
    angle = float(rng.uniform(-math.pi, math.pi))
    return float(pose[0]) + distance * math.cos(angle), float(pose[1]) + distance * math.sin(angle)


def random_colour(rng: np.random.Generator, low: float, high: float) -> tuple[float, float, float]:
    base = float(rng.uniform(low, high))
    spread = rng.uniform(-0.25, 0.25, 3) if rng.random() < 0.6 else np.zeros(3)
    red, green, blue = (float(v) for v in np.clip(base + spread, 0.03, 0.98))
    return red, green, blue


def wrap_angle(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


def is_free(body: Body, ego: Floats, others: Sequence[Body]) -> bool:
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
