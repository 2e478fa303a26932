from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.tasks.ocr.boxes import (
    convex_hull,
    find_boxes,
    find_regions,
    from_top_left,
    grown,
    sides,
    smallest_rectangle,
)


def flooded(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> set[frozenset[tuple[int, int]]]:
    """Find 8-connected regions the slow way: flood each pixel's neighbours."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = set()
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.add(frozenset(region))
    return found


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_regions_are_those_of_flooding(height: int, width: int, seed: int, share: float) -> None:
    probability = np.random.default_rng(seed).random((height, width))

    regions = find_regions(probability, share)

    pixels = [
        frozenset((int(row), x) for row, first, end in region.runs for x in range(first, end))
        for region in regions
    ]
    assert set(pixels) == flooded(probability > share)
    for region, members in zip(regions, pixels, strict=True):
        assert region.score == pytest.approx(np.mean([probability[place] for place in members]))


def test_a_straight_line_of_text() -> None:
    probability = np.zeros((40, 100))
    probability[10:20, 30:70] = 0.9

    (box,) = find_boxes(probability, threshold=0.3, box_threshold=0.5, unclip_ratio=1.5)

    # 40 x 10 pixels: area 400, perimeter 100, so each side moves by 400 * 1.5 / 100 = 6.
    assert box.tolist() == [[24, 4], [76, 4], [76, 26], [24, 26]]


def test_a_rotated_line_keeps_its_angle() -> None:
    # A band of 60 x 8 along the direction (4, 3) / 5 around (50, 50).
    y, x = np.mgrid[0:100, 0:100] + 0.5
    along, across = (x - 50) * 0.8 + (y - 50) * 0.6, (y - 50) * 0.8 - (x - 50) * 0.6
    probability = np.where((np.abs(along) < 30) & (np.abs(across) < 4), 0.8, 0.0)

    (box,) = find_boxes(probability, threshold=0.3, box_threshold=0.5, unclip_ratio=0.001)

    top = box[1] - box[0]
    assert np.degrees(np.arctan2(top[1], top[0])) == pytest.approx(np.degrees(np.arctan2(3, 4)), abs=1)
    assert sides(box) == pytest.approx((60, 8), abs=1.5)
    assert box.mean(axis=0).tolist() == pytest.approx([50, 50], abs=0.5)


def test_faint_and_tiny_regions_are_no_lines() -> None:
    probability = np.zeros((30, 60))
    probability[2:10, 5:50] = 0.4  # above the threshold, below the box's
    probability[20:22, 5:50] = 0.9  # two pixels high

    assert find_boxes(probability, threshold=0.3, box_threshold=0.5, unclip_ratio=1.5) == []


def test_boxes_come_from_top_to_bottom() -> None:
    probability = np.zeros((60, 60))
    for top in (40, 5, 22):
        probability[top : top + 6, 10:50] = 0.9

    boxes = find_boxes(probability, threshold=0.3, box_threshold=0.5, unclip_ratio=0.1)

    assert [round(box[:, 1].mean()) for box in boxes] == [8, 25, 43]


def test_an_empty_map_has_no_boxes() -> None:
    assert find_boxes(np.zeros((8, 8)), threshold=0.3, box_threshold=0.5, unclip_ratio=1.5) == []


def test_hull_by_hand() -> None:
    points = np.array([[0, 0], [2, 0], [4, 0], [4, 4], [0, 4], [2, 2], [1, 3]], dtype=float)

    assert {tuple(point) for point in convex_hull(points)} == {(0, 0), (4, 0), (4, 4), (0, 4)}


@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_the_smallest_rectangle_holds_all_points_and_no_angle_beats_it(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).uniform(-10, 10, (count, 2))

    box = smallest_rectangle(points)

    width, height = sides(box)
    right, down = (box[1] - box[0]) / width, (box[3] - box[0]) / height
    u, v = (points - box[0]) @ right, (points - box[0]) @ down
    assert -1e-9 <= u.min() <= u.max() <= width + 1e-9
    assert -1e-9 <= v.min() <= v.max() <= height + 1e-9
    for angle in np.linspace(0, np.pi / 2, 60):
        turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert width * height <= np.prod(np.ptp(turned, axis=0)) + 1e-9


@pytest.mark.parametrize("shift", range(4))
def test_corners_start_at_the_top_left(shift: int) -> None:
    box = np.array([[0, 1], [10, 0], [10.5, 5], [0.5, 6]])

    assert from_top_left(np.roll(box, shift, axis=0)).tolist() == box.tolist()


def test_growing() -> None:
    box = np.array([[0, 0], [4, 0], [4, 2], [0, 2]], dtype=float)

    assert grown(box, 1, 3).tolist() == [[-1, -3], [5, -3], [5, 5], [-1, 5]]
