from __future__ import annotations

import numpy as np
import pytest

from deploykit.tasks.ocr.boxes import grown, sides
from deploykit.tasks.ocr.page import PageLook, draw_page, rotated
from deploykit.tasks.ocr.reading import cut_line
from deploykit.tasks.ocr.words import VOCABULARY, line_text

PLAIN = PageLook(blur_pixels=0.0, noise=0.0)


def test_seen_and_unseen_words_differ() -> None:
    assert set(VOCABULARY["calibration"]).isdisjoint(VOCABULARY["validation"])
    assert min(len(words) for words in VOCABULARY.values()) >= 100


def test_lines_are_not_too_long_and_of_all_kinds() -> None:
    rng = np.random.default_rng(0)

    texts = [line_text(rng, VOCABULARY["calibration"], 14) for _ in range(300)]

    assert max(map(len, texts)) <= 14
    assert min(map(len, texts)) >= 3
    assert any(text.replace(".", "").isdigit() for text in texts)
    assert any("-" in text for text in texts)
    assert any(text.islower() and " " in text for text in texts)
    assert all(text == text.strip() for text in texts)


def test_rotation_is_counter_clockwise_as_seen() -> None:
    # y points down: what is to the right goes up.
    assert rotated([[1, 0]], 90)[0].tolist() == pytest.approx([0, -1])


@pytest.mark.parametrize("seed", range(4))
def test_ink_is_inside_the_boxes_and_nowhere_else(seed: int) -> None:
    look = PageLook(blur_pixels=0.0, noise=0.0, rotation_degrees=5.0)
    page = draw_page(np.random.default_rng(seed), VOCABULARY["calibration"], look)
    ground = np.median(page.image, axis=(0, 1))
    inked = np.abs(page.image - ground).sum(axis=2) > 150
    ys, xs = np.nonzero(inked)
    points = np.stack([xs, ys], axis=1) + 0.5
    inside = np.zeros(len(points), dtype=bool)
    for line in page.lines:
        corners = grown(line.corners, 1.5, 1.5)
        width, height = sides(corners)
        u = (points - corners[0]) @ (corners[1] - corners[0]) / width
        v = (points - corners[0]) @ (corners[3] - corners[0]) / height
        own = (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
        assert np.ptp(u[own]) > 0.93 * width - 4  # the text fills its box from end to end
        inside |= own
    assert len(points) > 1000
    assert inside.all()


def test_cutting_at_the_true_corners_reads_upright() -> None:
    # The same text upright and upside down gives the same picture when it is cut along its own corners.
    pages = [
        draw_page(
            np.random.default_rng(7),
            ("nnnnnn",),
            PageLook(
                lines=1, max_characters=6, upside_down_share=share, rotation_degrees=0, blur_pixels=0, noise=0
            ),
        )
        for share in (0.0, 1.0)
    ]
    assert [page.lines[0].upside_down for page in pages] == [False, True]
    upright, turned = (cut_line(page.image, page.lines[0].corners).mean(axis=2) for page in pages)

    assert upright.shape == turned.shape
    assert np.corrcoef(upright.ravel(), turned.ravel())[0, 1] > 0.9
    assert np.corrcoef(upright.ravel(), turned[::-1, ::-1].ravel())[0, 1] < 0.9


def test_the_seed_decides_everything() -> None:
    first, again, other = (
        draw_page(np.random.default_rng(seed), VOCABULARY["calibration"], PageLook()) for seed in (1, 1, 2)
    )

    assert first.image.tobytes() == again.image.tobytes()
    assert [line.text for line in first.lines] == [line.text for line in again.lines]
    assert first.image.tobytes() != other.image.tobytes()
