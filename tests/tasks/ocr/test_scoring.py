from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.tasks.ocr.boxes import Points
from deploykit.tasks.ocr.page import TextLine
from deploykit.tasks.ocr.scoring import (
    METRICS,
    Reading,
    edit_distance,
    match_boxes,
    overlap,
    score_page,
    sketch_page,
    summarise_pages,
)


@pytest.mark.parametrize(
    ("truth", "read", "edits"),
    [
        ("kitten", "sitting", 3),  # k -> s, e -> i, + g: the textbook's example
        ("saturday", "sunday", 3),
        ("abc", "abc", 0),
        ("abc", "", 3),
        ("", "ab", 2),
        ("ab", "ba", 2),
        ("index", "Index", 1),
    ],
)
def test_edit_distance_by_hand(truth: str, read: str, edits: int) -> None:
    assert edit_distance(truth, read) == edits


@given(st.text("ab", max_size=6), st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edit_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def test_overlap_by_hand() -> None:
    assert overlap(box(0, 0, 10, 10), box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap(box(0, 0, 10, 10), box(20, 0, 30, 10)) == 0


def test_the_best_overlap_wins_and_a_box_serves_once() -> None:
    truth = [box(0, 2, 10, 12), box(0, 0, 10, 10)]  # the first overlaps the second's box by 80 / 120
    found = [box(50, 50, 60, 60), box(0, 0, 10, 10)]

    assert match_boxes(truth, found) == {1: 1}


def page() -> tuple[list[TextLine], list[Reading]]:
    lines = [
        TextLine("hello", box(0, 0, 100, 10), False),
        TextLine("world!", box(0, 20, 100, 30), True),
        TextLine("missed", box(0, 40, 100, 50), False),
        TextLine("abc", box(0, 60, 100, 70), False),
    ]
    readings = [
        Reading(box(0, 0, 100, 11), "hello", False),
        Reading(box(0, 20, 100, 31), "world", True),
        Reading(box(0, 60, 100, 71), "xbcd", True),
        Reading(box(200, 200, 210, 210), "ghost", False),
    ]
    return lines, readings


def test_figures_by_hand() -> None:
    record = score_page(*page())

    found = summarise_pages([record])

    assert found["line_exact_match"] == 25  # only hello
    assert found["character_error_rate"] == pytest.approx(100 * (0 + 1 + 6 + 2) / (5 + 6 + 6 + 3))
    assert found["detection_recall"] == 75
    assert found["detection_precision"] == 75
    assert found["direction_accuracy"] == pytest.approx(100 * 2 / 3)
    assert list(found) == [metric.name for metric in METRICS]


def test_pages_are_summed_before_dividing() -> None:
    one = score_page([TextLine("ab", box(0, 0, 9, 9), False)], [Reading(box(0, 0, 9, 9), "ab", False)])
    other = score_page([TextLine("abcdefgh", box(0, 0, 9, 9), False)], [])

    found = summarise_pages([one, other, one])

    assert found["character_error_rate"] == pytest.approx(100 * 8 / 12)
    assert found["line_exact_match"] == pytest.approx(100 * 2 / 3)


def test_records_are_json() -> None:
    record = score_page(*page())

    assert summarise_pages([json.loads(json.dumps(record))]) == summarise_pages([record])


def test_a_page_is_drawn_with_what_was_read() -> None:
    lines = [TextLine("one", box(0, 0, 10, 10), False), TextLine("two", box(0, 20, 10, 30), False)]
    readings = [Reading(box(0, 0, 10, 9), "one", False), Reading(box(0, 20, 10, 30), "tvvo", False)]
    found = sketch_page(lines, readings, 40, 60)
    assert [(shape.role, shape.text) for shape in found.shapes] == [
        ("label", "one"),
        ("label", "two"),
        ("found", "one"),
        ("false", "tvvo"),
    ]
    assert found.shapes[2].points == ((0, 0), (10, 0), (10, 9), (0, 9))
    assert (found.width, found.height, found.caption) == (40, 60, "1 of 2 lines exact, 2 boxes")
