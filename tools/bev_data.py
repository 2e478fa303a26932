"""Training data of the bird's-eye detector: clips cached in a folder, augmented, turned into targets."""

from __future__ import annotations

import concurrent.futures
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.bev import geometry as g
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE, generate_clip
from tools.bev_network import FEATURE_COLUMNS, FEATURE_ROWS, STRIDE, depth_bin_centres

MAX_OBJECTS = 20
CLASS_RADIUS_CELLS = (1.4, 1.0)
"""Standard deviation of a heat-map peak, cells."""
HIDDEN_WEIGHT = 2.5
IGNORED_RADIUS_M = 1.6

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Batch:
    """Clips ready for the network and their targets; b clips, t frames."""

    images: NDArray[np.float32]
    """(b, t, 6, 3, 96, 256), normalised."""
    ego_motion: NDArray[np.float32]
    """(b, t, 2, 3)."""
    heat: NDArray[np.float32]
    """(b, t, 2, 64, 64): 1 in an object's own cell, less around it."""
    weight: NDArray[np.float32]
    """(b, t, 2, 64, 64): what a cell counts in the heat-map loss."""
    cells: NDArray[np.int64]
    """(n, 4): clip, frame, row, column of each object's cell and of the neighbours that learn it too."""
    regressions: NDArray[np.float32]
    """(n, 9): the targets in those cells."""
    cell_weight: NDArray[np.float32]
    """(n,)."""
    depth: NDArray[np.int64]
    """(b * t * 6, 12, 32): depth bin by feature cell."""


def generate_cache(folder: Path, clips: int, frames: int, *, workers: int = 2, first: int = 0) -> None:
    """Generate training clips into a folder, two array files each; what is already there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(first, first + clips) if not _label_file(folder, i).exists()]
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(_write_clip, folder, index, frames) for index in missing]
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            job.result()
            if done % 100 == 0:
                print(f"generated {done} of {len(missing)} clips", flush=True)


def load_clip(folder: Path, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Floats, Floats]:
    """Return images (t, 6, 3, 96, 256), depth bins (t, 6, 12, 32), motions (t, 2, 3), labels (t, 20, 10)."""
    images = np.load(folder / f"images-{index:05d}.npy", mmap_mode="r")
    table = np.load(_label_file(folder, index))
    frames = len(images)
    depth = table[: frames * g.CAMERAS * FEATURE_ROWS * FEATURE_COLUMNS].astype(np.uint8)
    rest = table[depth.size :]
    ego, labels = rest[: frames * 6], rest[frames * 6 :]
    return (
        images,
        depth.reshape(frames, g.CAMERAS, FEATURE_ROWS, FEATURE_COLUMNS),
        ego.reshape(frames, 2, 3),
        labels.reshape(frames, MAX_OBJECTS, 10),
    )


def make_batch(
    folder: Path, indices: list[int], frames: int, rng: np.random.Generator, *, augment: bool
) -> Batch:
    """Load clips, turn and mirror each at random, cut ``frames`` frames out of each, and draw the targets."""
    clips = []
    for index in indices:
        images, depth, ego, labels = load_clip(folder, index)
        start = int(rng.integers(len(images) - frames + 1)) if augment else 0
        part = slice(start, start + frames)
        clip = (np.array(images[part]), depth[part], ego[part].copy(), labels[part].copy())
        if start:
            forget_before_start(clip[2], clip[3])
        if augment:
            clip = turn_clip(*clip, steps=int(rng.integers(6)), mirror=bool(rng.integers(2)))
        clips.append(clip)
    images = np.stack([clip[0] for clip in clips])
    if augment:
        images = _jitter(images, rng)
    targets = [[draw_targets(clip[3][t]) for t in range(frames)] for clip in clips]
    cells = [
        np.concatenate([np.full((len(target[2]), 1), b), np.full((len(target[2]), 1), t), target[2]], 1)
        for b, row in enumerate(targets)
        for t, target in enumerate(row)
    ]
    flat = [target for row in targets for target in row]
    return Batch(
        images=g.normalise_images(images),
        ego_motion=np.stack([clip[2] for clip in clips]).astype(np.float32),
        heat=np.stack([[target[0] for target in row] for row in targets]).astype(np.float32),
        weight=np.stack([[target[1] for target in row] for row in targets]).astype(np.float32),
        cells=np.concatenate(cells).astype(np.int64),
        regressions=np.concatenate([target[3] for target in flat]).astype(np.float32),
        cell_weight=np.concatenate([target[4] for target in flat]).astype(np.float32),
        depth=np.concatenate([clip[1].reshape(-1, FEATURE_ROWS, FEATURE_COLUMNS) for clip in clips]).astype(
            np.int64
        ),
    )


def turn_clip(
    images: NDArray[np.uint8],
    depth: NDArray[np.uint8],
    ego: Floats,
    labels: Floats,
    *,
    steps: int,
    mirror: bool,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Floats, Floats]:
    """Turn the world by ``steps`` x 60 degrees and mirror it: exact, since the rig maps onto itself."""
    images, depth = np.roll(images, steps, 1), np.roll(depth, steps, 1)
    angle = math.radians(60.0 * steps)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirror:
        order = [-camera % g.CAMERAS for camera in range(g.CAMERAS)]
        images, depth = images[:, order][..., ::-1], depth[:, order][..., ::-1]
    flip = np.diag([1.0, -1.0 if mirror else 1.0])
    whole = flip @ turn
    labels, ego = labels.copy(), ego.copy()
    labels[..., 1:3] = labels[..., 1:3] @ whole.T
    labels[..., 7:9] = labels[..., 7:9] @ whole.T
    labels[..., 6] = (labels[..., 6] + angle) * (-1.0 if mirror else 1.0)
    ego[..., :2] = whole @ ego[..., :2] @ whole.T
    ego[..., 2] = ego[..., 2] @ whole.T
    return images, depth, ego, labels


def _write_clip(folder: Path, index: int, frames: int) -> None:
    clip = generate_clip("train", index, frames)
    labels = np.zeros((frames, MAX_OBJECTS, 10))
    labels[..., 0] = -1
    for t, frame in enumerate(clip):
        n = len(frame.labels.label)
        values = frame.labels
        columns = [values.label[:, None], values.centre, values.size, values.yaw[:, None], values.velocity]
        labels[t, :n] = np.concatenate([*columns, values.state[:, None]], 1)
    depth = np.stack([depth_bins(frame.depth) for frame in clip])
    ego = np.stack([frame.ego_motion for frame in clip])
    _save(folder / f"images-{index:05d}.npy", np.stack([frame.images for frame in clip]))
    _save(
        _label_file(folder, index),
        np.concatenate([depth.ravel(), ego.ravel(), labels.ravel()]).astype(np.float32),
    )


def depth_bins(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return each feature cell's depth bin, (6, 12, 32), from depth (6, 96, 256) in metres."""
    cells = depth.reshape(g.CAMERAS, FEATURE_ROWS, STRIDE, FEATURE_COLUMNS, STRIDE)
    nearest = cells[:, :, 2:6, :, 2:6].min(axis=(2, 4))
    centres = np.log(depth_bin_centres())
    step = centres[1] - centres[0]
    position = np.round((np.log(np.maximum(nearest, 0.1)) - centres[0]) / step)
    bins: NDArray[np.uint8] = np.clip(position, 0, len(centres) - 1).astype(np.uint8)
    return bins


def _save(path: Path, array: NDArray[Any]) -> None:
    # Beside, then renamed: a killed run leaves no half-written clip that the next would take for whole.
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with beside.open("wb") as file:
        np.save(file, array)
    os.replace(beside, path)


def _label_file(folder: Path, index: int) -> Path:
    return folder / f"labels-{index:05d}.npy"


def forget_before_start(ego: Floats, labels: Floats) -> None:
    """Make the first kept frame the start of the clip: what was seen only before it was never seen."""
    ego[0] = np.eye(2, 3)
    seen = np.zeros(MAX_OBJECTS, bool)
    for frame in labels:
        seen |= frame[:, 9] == VISIBLE
        frame[(frame[:, 9] == HIDDEN) & ~seen, 9] = IGNORED


def _jitter(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change each clip's brightness and colour a little."""
    gains = rng.uniform(0.85, 1.15, (len(images), 1)) * rng.uniform(0.94, 1.06, (len(images), 3))
    tables = np.clip(np.arange(256) * gains[..., None] + 0.5, 0, 255).astype(np.uint8)
    out = np.empty_like(images)
    for clip in range(len(images)):
        for channel in range(3):
            out[clip, :, :, channel] = tables[clip, channel][images[clip, :, :, channel]]
    return out


def draw_targets(labels: Floats) -> tuple[Floats, Floats, NDArray[np.int64], Floats, Floats]:
    """Return heat and weight (2, 64, 64), cells (n, 2), regressions (n, 9) and their weights (n,)."""
    centres = g.cell_centres()
    heat = np.zeros((2, g.BEV_CELLS, g.BEV_CELLS))
    weight = np.ones_like(heat)
    taken: dict[tuple[int, int], tuple[float, Floats, float]] = {}
    for row in labels[labels[:, 0] >= 0]:
        label, x, y, state = int(row[0]), float(row[1]), float(row[2]), int(row[9])
        if max(abs(x), abs(y)) > g.BEV_HALF_M + 1.0:
            continue
        squared = (centres[None, :] - x) ** 2 + (centres[:, None] - y) ** 2
        if state == IGNORED:
            weight[label][squared < IGNORED_RADIUS_M**2] = 0.0
            continue
        sigma = CLASS_RADIUS_CELLS[label] * g.BEV_CELL_M
        heat[label] = np.maximum(heat[label], np.exp(-squared / (2 * sigma**2)))
        own_column = int((x + g.BEV_HALF_M) // g.BEV_CELL_M)
        own_row = int((y + g.BEV_HALF_M) // g.BEV_CELL_M)
        if not (0 <= own_column < g.BEV_CELLS and 0 <= own_row < g.BEV_CELLS):
            continue
        importance = HIDDEN_WEIGHT if state == HIDDEN else 1.0
        heat[label, own_row, own_column] = 1.0
        weight[label, own_row, own_column] = importance
        # The neighbours learn the regression too: the peak is not always in the right cell.
        for r in range(max(0, own_row - 1), min(g.BEV_CELLS, own_row + 2)):
            for c in range(max(0, own_column - 1), min(g.BEV_CELLS, own_column + 2)):
                away = float(squared[r, c])
                if (r, c) in taken and taken[r, c][0] <= away:
                    continue
                values = np.array(
                    [
                        x - centres[c], y - centres[r], *row[3:6], math.sin(row[6]), math.cos(row[6]), row[7],
                        row[8],
                    ]
                )  # fmt: skip
                own = r == own_row and c == own_column
                taken[r, c] = (away, values, importance * (1.0 if own else 0.3))
    cells = np.array(list(taken), np.int64).reshape(-1, 2)
    values = np.array([value[1] for value in taken.values()]).reshape(-1, 9)
    return heat, weight, cells, values, np.array([value[2] for value in taken.values()])
