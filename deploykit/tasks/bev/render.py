"""Draw a world into the six images of one frame, and count each object's visible pixels exactly.

No camera pitches and every cuboid stands upright, so a ray's horizontal part depends on its column alone and
its vertical part on its row alone: a box is hit where an interval over columns meets an interval over rows.
The six images are one panorama of 6 x 256 columns. Per-pixel arithmetic uses + - * /, floor and comparisons
only (no sin, exp or matrix product), so that the bytes don't depend on the processor.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev import geometry as g
from deploykit.tasks.bev.bodies import CAR_BODY, CAR_CABIN, FOLIAGE, HOUSE, TRUCK, WALL
from deploykit.tasks.bev.world import World

Floats = NDArray[np.float32]
_COLUMNS = g.CAMERAS * g.IMAGE_WIDTH
_NEAR_M = 0.2
_FAR_M = 1e6


@dataclass(frozen=True)
class Rays:
    """The panorama's rays, ego frame: point = origin + depth * direction, depth along the camera's axis."""

    origin_x: Floats
    origin_y: Floats
    direction_x: Floats
    direction_y: Floats
    direction_z: Floats


@dataclass(frozen=True)
class Drawing:
    """One frame: RGB images (6, 3, 96, 256), pixels each body shows, depth (6, 96, 256) in m (sky 1e6)."""

    images: NDArray[np.uint8]
    visible_pixels: NDArray[np.int64]
    depth: Floats


@dataclass(frozen=True)
class _Boxes:
    """All cuboids of a frame in the ego frame, one entry each."""

    x: Floats
    y: Floats
    cosine: Floats
    sine: Floats
    half_length: Floats
    half_width: Floats
    bottom: Floats
    top: Floats
    colour: Floats
    material: NDArray[np.int64]
    owner: NDArray[np.int64]


@functools.cache
def rays() -> Rays:
    """Return the rig's rays: (1536,) for the horizontal parts, (96,) for the vertical one."""
    lateral = (g.CENTRE_U_PX - (np.arange(g.IMAGE_WIDTH) + 0.5)) / g.FOCAL_PX
    yaws = [g.camera_yaw(camera) for camera in range(g.CAMERAS)]
    cosine = np.array([math.cos(yaw) for yaw in yaws])[:, None]
    sine = np.array([math.sin(yaw) for yaw in yaws])[:, None]
    ones = np.ones(g.IMAGE_WIDTH)
    return Rays(
        origin_x=(g.CAMERA_RADIUS_M * cosine * ones).ravel().astype(np.float32),
        origin_y=(g.CAMERA_RADIUS_M * sine * ones).ravel().astype(np.float32),
        direction_x=(cosine - sine * lateral).ravel().astype(np.float32),
        direction_y=(sine + cosine * lateral).ravel().astype(np.float32),
        direction_z=((g.CENTRE_V_PX - (np.arange(g.IMAGE_HEIGHT) + 0.5)) / g.FOCAL_PX).astype(np.float32),
    )


def draw_frame(world: World, frame: int, rng: np.random.Generator) -> Drawing:
    """Draw one frame of a world; ``rng`` gives the sensor noise."""
    boxes = _boxes(world, frame)
    depth, hit = _trace(boxes)
    image = _ground_and_sky(world, frame, depth)
    _shade_boxes(image, world, frame, boxes, depth, hit)
    pixels = _expose(image, world, depth, rng)
    owners = boxes.owner[hit[hit >= 0]]
    panorama = pixels.reshape(g.IMAGE_HEIGHT, g.CAMERAS, g.IMAGE_WIDTH, 3)
    return Drawing(
        images=np.ascontiguousarray(panorama.transpose(1, 3, 0, 2)),
        visible_pixels=np.bincount(owners, minlength=len(world.bodies)),
        depth=np.ascontiguousarray(
            depth.reshape(g.IMAGE_HEIGHT, g.CAMERAS, g.IMAGE_WIDTH).transpose(1, 0, 2)
        ),
    )


def _boxes(world: World, frame: int) -> _Boxes:
    ego_x, ego_y, ego_yaw = (float(v) for v in world.ego[frame])
    turn_cos, turn_sin = math.cos(ego_yaw), math.sin(ego_yaw)
    rows: list[tuple[float, ...]] = []
    colours: list[tuple[float, float, float]] = []
    for index, body in enumerate(world.bodies):
        x, y = body.position(frame)
        cosine, sine = math.cos(body.yaw), math.sin(body.yaw)
        for part in body.parts:
            part_x = x + cosine * part.offset_x - sine * part.offset_y - ego_x
            part_y = y + sine * part.offset_x + cosine * part.offset_y - ego_y
            rows.append(
                (
                    turn_cos * part_x + turn_sin * part_y,
                    -turn_sin * part_x + turn_cos * part_y,
                    cosine * turn_cos + sine * turn_sin,
                    sine * turn_cos - cosine * turn_sin,
                    part.length / 2,
                    part.width / 2,
                    part.bottom,
                    part.top,
                    part.material,
                    index,
                )
            )
            colours.append(part.colour)
    table = np.array(rows).reshape(-1, 10)
    x, y, cosine_, sine_, half_length, half_width, bottom, top = table[:, :8].T.astype(np.float32)
    return _Boxes(
        x=x,
        y=y,
        cosine=cosine_,
        sine=sine_,
        half_length=half_length,
        half_width=half_width,
        bottom=bottom,
        top=top,
        colour=np.array(colours, np.float32).reshape(-1, 3),
        material=table[:, 8].astype(np.int64),
        owner=table[:, 9].astype(np.int64),
    )


def _trace(boxes: _Boxes) -> tuple[Floats, NDArray[np.int16]]:
    """Return the nearest surface's depth and the box it belongs to (-1 ground or sky), (96, 1536)."""
    ray = rays()
    down = np.minimum(ray.direction_z, np.float32(-1e-9))
    ground = np.where(ray.direction_z < 0, np.float32(-g.CAMERA_HEIGHT_M) / down, np.float32(_FAR_M))
    depth = np.repeat(ground.astype(np.float32)[:, None], _COLUMNS, axis=1)
    hit = np.full(depth.shape, -1, np.int16)
    enter_xy, leave_xy = _slabs_over_columns(boxes)
    enter_z, leave_z = _slab(
        np.float32(g.CAMERA_HEIGHT_M), ray.direction_z[None, :], boxes.bottom[:, None], boxes.top[:, None]
    )
    reachable = (enter_xy <= leave_xy) & (leave_xy > _NEAR_M)
    for index in range(len(boxes.owner)):
        columns = np.flatnonzero(reachable[index])
        if not len(columns):
            continue
        nearest = max(_NEAR_M, float(enter_xy[index, columns].min()))
        farthest = float(leave_xy[index, columns].max())
        rows = np.flatnonzero((leave_z[index] >= nearest) & (enter_z[index] <= farthest))
        if not len(rows):
            continue
        # One block of columns for each camera run: a box can straddle the seam of the panorama.
        for run in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1):
            block = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(run[0]), int(run[-1]) + 1))
            enter = np.maximum(enter_xy[index, None, block[1]], enter_z[index, block[0], None])
            leave = np.minimum(leave_xy[index, None, block[1]], leave_z[index, block[0], None])
            wins = (enter <= leave) & (enter > _NEAR_M) & (enter < depth[block])
            depth[block][wins] = enter[wins]
            hit[block][wins] = index
    return depth, hit


def _slab(origin: Any, direction: Any, low: Any, high: Any) -> tuple[Floats, Floats]:
    """Return where rays enter and leave ``low <= coordinate <= high``."""
    safe = np.where(np.abs(direction) < 1e-9, np.float32(1e-9), direction)
    a, b = (low - origin) / safe, (high - origin) / safe
    return np.minimum(a, b), np.maximum(a, b)


def _slabs_over_columns(boxes: _Boxes) -> tuple[Floats, Floats]:
    ray = rays()
    cosine, sine = boxes.cosine[:, None], boxes.sine[:, None]
    from_x = ray.origin_x[None, :] - boxes.x[:, None]
    from_y = ray.origin_y[None, :] - boxes.y[:, None]
    x_enter, x_leave = _slab(
        cosine * from_x + sine * from_y,
        cosine * ray.direction_x + sine * ray.direction_y,
        -boxes.half_length[:, None],
        boxes.half_length[:, None],
    )
    y_enter, y_leave = _slab(
        cosine * from_y - sine * from_x,
        cosine * ray.direction_y - sine * ray.direction_x,
        -boxes.half_width[:, None],
        boxes.half_width[:, None],
    )
    return np.maximum(x_enter, y_enter), np.minimum(x_leave, y_leave)


def _ground_and_sky(world: World, frame: int, depth: Floats) -> Floats:
    """Paint every pixel as ground or sky, (96, 1536, 3); boxes are painted over it."""
    image = np.empty((*depth.shape, 3), np.float32)
    ray = rays()
    horizon = int(np.flatnonzero(ray.direction_z < 0)[0])
    fade = (np.arange(horizon, dtype=np.float32) / np.float32(3 * horizon))[:, None, None]
    image[:horizon] = np.array(world.weather.sky, np.float32) * (np.float32(1.0) - fade)
    distance = np.float32(-g.CAMERA_HEIGHT_M) / ray.direction_z[horizon:, None]
    ego_x, ego_y, ego_yaw = (float(v) for v in world.ego[frame])
    cosine, sine = np.float32(math.cos(ego_yaw)), np.float32(math.sin(ego_yaw))
    local_x = ray.origin_x + distance * ray.direction_x
    local_y = ray.origin_y + distance * ray.direction_y
    x = np.float32(ego_x) + cosine * local_x - sine * local_y
    y = np.float32(ego_y) + sine * local_x + cosine * local_y
    grain = _hash(np.floor(x * np.float32(5)), np.floor(y * np.float32(5)), world.texture)
    patch = _hash(np.floor(x * np.float32(0.4)), np.floor(y * np.float32(0.4)), world.texture + 1)
    tone = (grain * np.float32(0.1) + patch * np.float32(0.08))[..., None]
    half = np.float32(world.road_half_width_m)
    on_road = np.abs(y) < half
    asphalt = np.array([0.26, 0.26, 0.28], np.float32)
    grass = np.array([0.2, 0.33, 0.14], np.float32)
    ground = np.where(on_road[..., None], asphalt, grass) + tone
    dash = on_road & (np.abs(y) < 0.09) & (x - np.floor(x / 4) * 4 < 2)
    edge = np.abs(np.abs(y) - (half - np.float32(0.4))) < 0.08
    stripe = on_road & (np.abs(x - np.float32(world.zebra_x_m)) < 1.6) & (y - np.floor(y) < 0.5)
    ground[dash | edge | stripe] = np.array([0.82, 0.82, 0.8], np.float32)
    light = np.float32(world.weather.ambient + (1 - world.weather.ambient) * world.weather.sun[2])
    image[horizon:] = ground * light
    return image


def _shade_boxes(
    image: Floats, world: World, frame: int, boxes: _Boxes, depth: Floats, hit: NDArray[np.int16]
) -> None:
    rows, columns = np.nonzero(hit >= 0)
    if not len(rows):
        return
    box = hit[rows, columns].astype(np.int64)
    ray = rays()
    t = depth[rows, columns]
    dx = ray.origin_x[columns] + t * ray.direction_x[columns] - boxes.x[box]
    dy = ray.origin_y[columns] + t * ray.direction_y[columns] - boxes.y[box]
    z = np.float32(g.CAMERA_HEIGHT_M) + t * ray.direction_z[rows]
    cosine, sine = boxes.cosine[box], boxes.sine[box]
    along = cosine * dx + sine * dy
    across = cosine * dy - sine * dx
    # The face is the one whose plane the hit point lies nearest to.
    off_x = np.abs(np.abs(along) - boxes.half_length[box])
    off_y = np.abs(np.abs(across) - boxes.half_width[box])
    off_z = np.minimum(np.abs(z - boxes.top[box]), np.abs(z - boxes.bottom[box]))
    face = np.where((off_x <= off_y) & (off_x <= off_z), 0, np.where(off_y <= off_z, 1, 2))
    sun_x, sun_y, sun_z = _sun_in_ego(world, frame)
    facing_x = (cosine * sun_x + sine * sun_y) * np.sign(along)
    facing_y = (cosine * sun_y - sine * sun_x) * np.sign(across)
    facing = np.where(face == 0, facing_x, np.where(face == 1, facing_y, sun_z))
    ambient = np.float32(world.weather.ambient)
    light = ambient + (1 - ambient) * np.maximum(facing, np.float32(0.0))
    colour = boxes.colour[box].copy()
    _decorate(colour, boxes, box, along, across, z, face, world.texture)
    image[rows, columns] = colour * light[:, None].astype(np.float32)


def _decorate(
    colour: Floats,
    boxes: _Boxes,
    box: NDArray[np.int64],
    along: Floats,
    across: Floats,
    z: Floats,
    face: NDArray[np.int64],
    texture: int,
) -> None:
    """Paint windows, wheels, lights, bricks and leaves over the plain colours, in place."""
    material = boxes.material[box]
    half_length, half_width = boxes.half_length[box], boxes.half_width[box]
    side = face == 1
    body = material == CAR_BODY
    wheel = body & side & (np.abs(np.abs(along) - half_length * np.float32(0.62)) < 0.32) & (z < 0.6)
    colour[wheel] = 0.04
    lamp = body & (face == 0) & (np.abs(across) > half_width * np.float32(0.6)) & (z > 0.5)
    colour[lamp & (along > 0)] = np.array([0.95, 0.93, 0.8], np.float32)
    colour[lamp & (along < 0)] = np.array([0.7, 0.05, 0.05], np.float32)
    pillar = (material == CAR_CABIN) & side & (np.abs(along) < 0.06)
    colour[pillar] = 0.35
    panel = (material == TRUCK) & side & (along - np.floor(along) < 0.08)
    colour[panel] *= np.float32(0.6)
    run = np.where(side, along, across)
    course = np.floor(z * np.float32(4))
    joint = (material == WALL) & ((z * 4 - course < 0.15) | (run * 2 - np.floor(run * 2) < 0.08))
    colour[joint] *= np.float32(0.7)
    leaves = material == FOLIAGE
    grain = _hash(np.floor(run[leaves] * 8), np.floor(z[leaves] * 8), texture)
    colour[leaves] *= (np.float32(0.6) + np.float32(0.8) * grain)[:, None]
    window = (material == HOUSE) & (run / 3 - np.floor(run / 3) < 0.4) & (z / 3 - np.floor(z / 3) > 0.4)
    colour[window] = 0.15


def _sun_in_ego(world: World, frame: int) -> tuple[np.float32, np.float32, np.float32]:
    yaw = float(world.ego[frame, 2])
    x, y, z = world.weather.sun
    cosine, sine = math.cos(yaw), math.sin(yaw)
    return np.float32(cosine * x + sine * y), np.float32(cosine * y - sine * x), np.float32(z)


def _expose(image: Floats, world: World, depth: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply fog, gain, tint and noise, and round to 8 bits."""
    weather = world.weather
    ratio = depth / np.float32(weather.fog_distance_m)
    clear = np.float32(1.0) / (np.float32(1.0) + ratio * ratio)
    # Sky pixels are infinitely far: they keep their own colour, which the fog has too.
    clear[depth >= _FAR_M] = 1.0
    clear = clear[..., None]
    fogged = image * clear + np.array(weather.sky, np.float32) * (np.float32(1.0) - clear)
    exposed = fogged * np.array([weather.gain * tint for tint in weather.tint], np.float32)
    # The sum of two uniform bytes is noise enough, and integers come out the same everywhere.
    grains = rng.integers(0, 256, (2, *image.shape), np.uint8)
    noise = grains[0].astype(np.float32) + grains[1].astype(np.float32) - np.float32(255.0)
    exposed += noise * np.float32(weather.noise / 104.0)
    pixels: NDArray[np.uint8] = (np.clip(exposed, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5)).astype(
        np.uint8
    )
    return pixels


def _hash(x: Floats, y: Floats, seed: int) -> Floats:
    """Return a pseudo-random number in [0, 1) for each integer cell."""
    a = x.astype(np.int32).astype(np.uint32) * np.uint32(73856093)
    b = y.astype(np.int32).astype(np.uint32) * np.uint32(19349663)
    mixed = (a ^ b ^ np.uint32(seed & 0xFFFFFFFF)) * np.uint32(2654435761)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(2246822519)
    return ((mixed >> np.uint32(16)) & np.uint32(255)).astype(np.float32) / np.float32(256.0)
