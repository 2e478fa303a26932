"""Sample one driving situation: the ego's path, cars, pedestrians, and what stands in between.

Everything comes from one numpy Generator, drawn in a fixed order, so a seed is a situation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev.bodies import (
    FOLIAGE,
    HOUSE,
    PLAIN,
    Body,
    Part,
    is_free,
    random_car,
    random_colour,
    random_pedestrian,
    random_place,
    wrap_angle,
)
from deploykit.tasks.bev.geometry import FRAME_S, RANGE_M
from deploykit.tasks.bev.occluders import choose_occluders

Floats = NDArray[np.floating[Any]]

_MAX_PLACEMENTS = 40


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
    occluders = choose_occluders(rng, ego, objects)
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
            if is_free(body, ego, placed):
                placed.append(body)
                break
    return tuple(placed)


def _sample_object(rng: np.random.Generator, ego: Floats, label: int) -> Body:
    """Draw an object that is within range of the ego at some frame; at others it may not be."""
    frame = int(rng.integers(len(ego)))
    x, y = random_place(rng, ego[frame], 4.5, RANGE_M)
    if label == 0:
        yaw = float(rng.choice([0.0, math.pi])) + float(rng.normal(0.0, 0.08))
        if rng.random() < 0.4:
            yaw = float(rng.uniform(-math.pi, math.pi))
        speed = 0.0 if rng.random() < 0.5 else float(rng.uniform(1.0, 6.0))
        size, parts = random_car(rng)
    else:
        yaw = float(rng.uniform(-math.pi, math.pi))
        speed = 0.0 if rng.random() < 0.35 else float(rng.uniform(0.5, 1.7))
        size, parts = random_pedestrian(rng)
    velocity_x, velocity_y = speed * math.cos(yaw), speed * math.sin(yaw)
    start_x, start_y = x - velocity_x * FRAME_S * frame, y - velocity_y * FRAME_S * frame
    return Body(label, start_x, start_y, wrap_angle(yaw), velocity_x, velocity_y, size, parts)


def _place_scenery(rng: np.random.Generator, ego: Floats, others: tuple[Body, ...]) -> tuple[Body, ...]:
    placed: list[Body] = []
    wanted = ["pole"] * int(rng.integers(3, 9)) + ["bush"] * int(rng.integers(2, 7)) + ["house"] * 7
    for kind in wanted:
        pose = ego[int(rng.integers(len(ego)))]
        if kind == "house":
            # Behind the range, so that the horizon is not bare.
            x, y = random_place(rng, ego[len(ego) // 2], 36.0, 55.0)
            length, width, height = (float(v) for v in rng.uniform((8.0, 8.0, 3.0), (16.0, 14.0, 9.0)))
            parts: tuple[Part, ...] = (
                Part(0.0, 0.0, 0.0, height, length, width, random_colour(rng, 0.3, 0.85), HOUSE),
            )
        elif kind == "bush":
            x, y = random_place(rng, pose, 6.0, 24.0)
            length, width, height = (float(v) for v in rng.uniform((0.8, 0.8, 0.5), (2.4, 2.0, 1.3)))
            green = (float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.3, 0.5)), 0.12)
            parts = (
                Part(0.0, 0.0, 0.0, 0.7 * height, length, width, green, FOLIAGE),
                Part(0.1, 0.1, 0.7 * height, height, 0.6 * length, 0.6 * width, green, FOLIAGE),
            )
        else:
            x, y = random_place(rng, pose, 5.0, 24.0)
            length = width = float(rng.uniform(0.12, 0.3))
            height = float(rng.uniform(0.9, 4.5))
            parts = (Part(0.0, 0.0, 0.0, height, length, width, random_colour(rng, 0.15, 0.8), PLAIN),)
        yaw = float(rng.uniform(-math.pi, math.pi))
        body = Body(-1, x, y, yaw, 0.0, 0.0, (length, width, height), parts)
        if is_free(body, ego, others):
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
