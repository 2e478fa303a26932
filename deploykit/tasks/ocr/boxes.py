"""Turns a text detector's probability map into boxes of lines (the DB decoding of PaddleOCR, in numpy).

Coordinates are continuous: pixel i covers [i, i + 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploykit.tasks.protocol import Array

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """8-connected pixels above the threshold: runs (row, first column, end column; half-open), mean value."""

    runs: NDArray[np.int64]
    score: float

    @property
    def outline(self) -> Points:
        """The corners of all runs, (n, 2) of (x, y): their hull is the region's."""
        row, first, end = self.runs.T
        corners = ((first, row), (end, row), (first, row + 1), (end, row + 1))
        return np.concatenate([np.stack(pair, axis=1) for pair in corners]).astype(np.float64)


def find_boxes(
    probability: Array, *, threshold: float, box_threshold: float, unclip_ratio: float, min_side: float = 3.0
) -> list[Points]:
    """Find boxes (4, 2) in a map (H, W), from top to bottom; each starts top left and runs clockwise as seen.

    A region counts where its mean probability reaches `box_threshold`; its smallest rectangle grows on each
    side by area * unclip_ratio / perimeter, for the detector is trained on shrunken text.
    """
    boxes = []
    for region in find_regions(probability, threshold):
        box = smallest_rectangle(region.outline)
        width, height = sides(box)
        if region.score < box_threshold or min(width, height) < min_side:
            continue
        distance = width * height * unclip_ratio / (2 * (width + height))
        boxes.append(grown(box, distance, distance))
    return sorted(boxes, key=lambda box: float(box[:, 1].mean()))


def find_regions(probability: Array, threshold: float) -> list[Region]:
    """Find the 8-connected regions above the threshold, in the order of their first pixel."""
    runs = _runs(probability > threshold)
    parent = list(range(len(runs)))
    for upper, lower in _touching(runs):
        _join(parent, upper, lower)
    members: dict[int, list[int]] = {}
    for index in range(len(runs)):
        members.setdefault(_root(parent, index), []).append(index)
    sums = np.concatenate(
        [np.zeros((probability.shape[0], 1)), np.cumsum(probability, axis=1, dtype=np.float64)], 1
    )
    found = []
    for indices in members.values():
        row, first, end = runs[indices].T
        score = float((sums[row, end] - sums[row, first]).sum() / (end - first).sum())
        found.append(Region(runs[indices], score))
    return found


def smallest_rectangle(points: Points) -> Points:
    """Find the rectangle of least area around points; one of its sides lies along an edge of their hull."""
    hull = convex_hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2))
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    u, v = hull @ along.T, hull @ across.T
    best = int(np.argmin((u.max(0) - u.min(0)) * (v.max(0) - v.min(0))))
    low_u, high_u, low_v, high_v = u[:, best].min(), u[:, best].max(), v[:, best].min(), v[:, best].max()
    corners = np.array([[low_u, low_v], [high_u, low_v], [high_u, high_v], [low_u, high_v]])
    return from_top_left(corners @ np.stack([along[best], across[best]]))


def from_top_left(corners: Points) -> Points:
    """Start a clockwise rectangle at the corner that is top left once it is turned to the nearer axis."""
    top = corners[1] - corners[0]
    quarter = int(np.rint(np.arctan2(top[1], top[0]) / (np.pi / 2)))
    return np.roll(corners, quarter, axis=0)


def convex_hull(points: Points) -> Points:
    """Give the hull of points, clockwise as seen with y downwards (Andrew's monotone chain)."""
    ordered = np.unique(points, axis=0)
    if len(ordered) < 3:
        return ordered
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1])


def sides(box: Points) -> tuple[float, float]:
    """Give a rectangle's width (along its top) and height."""
    return float(np.linalg.norm(box[1] - box[0])), float(np.linalg.norm(box[3] - box[0]))


def grown(box: Points, beside: float, above: float) -> Points:
    """Move a rectangle's left and right sides outwards by `beside`, its top and bottom by `above`."""
    width, height = sides(box)
    right = (box[1] - box[0]) / width * beside
    down = (box[3] - box[0]) / height * above
    moves: Points = np.array([-right - down, right - down, right + down, -right + down])
    return box + moves


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give all maximal runs of True as rows of (row, first, end), in reading order."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    return np.stack([row, first, end], axis=1)


def _touching(runs: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Give pairs of runs in neighbouring rows that touch, corners included."""
    pairs = []
    upper = 0
    for lower, (row, first, end) in enumerate(runs):
        while runs[upper, 0] < row - 1 or (runs[upper, 0] == row - 1 and runs[upper, 2] < first):
            upper += 1
        at = upper
        while runs[at, 0] == row - 1 and runs[at, 1] <= end:
            pairs.append((at, lower))
            at += 1
    return pairs


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _join(parent: list[int], first: int, second: int) -> None:
    one, other = sorted((_root(parent, first), _root(parent, second)))
    parent[other] = one


def _chain(ordered: Points) -> list[Points]:
    chain: list[Points] = []
    for point in ordered:
        while len(chain) > 1 and _cross(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _cross(origin: Points, first: Points, second: Points) -> float:
    a, b = first - origin, second - origin
    return float(a[0] * b[1] - a[1] * b[0])
