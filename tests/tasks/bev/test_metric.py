"""AP and the other figures against worked examples."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.tasks.bev.decode import Boxes
from deploykit.tasks.bev.metric import average_precision, match_clip, summarise
from deploykit.tasks.bev.scene import HIDDEN, IGNORED, VISIBLE, Labels

_CAR, _PEDESTRIAN = 0, 1


def _labels(*rows: tuple[int, float, float, int]) -> Labels:
    """Rows of class, x, y, state."""
    table = np.array(rows, float).reshape(-1, 4)
    n = len(table)
    return Labels(
        label=table[:, 0].astype(np.int64),
        centre=table[:, 1:3],
        size=np.ones((n, 3)),
        yaw=np.zeros(n),
        velocity=np.zeros((n, 2)),
        state=table[:, 3].astype(np.int64),
        visible_pixels=np.zeros(n, np.int64),
    )


def _boxes(*rows: tuple[int, float, float, float]) -> Boxes:
    """Rows of class, score, x, y; best first."""
    table = np.array(rows, float).reshape(-1, 4)
    n = len(table)
    return Boxes(
        label=table[:, 0].astype(np.int64),
        score=table[:, 1],
        centre=table[:, 2:],
        size=np.ones((n, 3)),
        yaw=np.zeros(n),
        velocity=np.full((n, 2), [3.0, 4.0]),
    )


def test_average_precision_of_a_worked_example() -> None:
    # Two labels; detections in score order: true, false, true. (recall, precision): (.5, 1), (.5, 1/2), (1,
    # 2/3). np.interp at recall r: 1 up to .49; at .5 the last of the equal points, 1/2; then a line from (.5,
    # 1/2) to (1, 2/3).
    score, outcome = np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1])
    low = 39 * (1.0 - 0.1)  # recall .11 .. .49
    line = sum(0.5 + (2 / 3 - 0.5) * (k / 50) - 0.1 for k in range(51))  # recall .50 .. 1.00
    assert average_precision(score, outcome, 2) == pytest.approx((low + line) / 90 / 0.9)


def test_average_precision_of_extremes() -> None:
    assert average_precision(np.array([0.9, 0.8]), np.array([1, 1]), 2) == pytest.approx(1.0)
    assert average_precision(np.array([0.9]), np.array([0]), 2) == 0.0
    assert average_precision(np.zeros(0), np.zeros(0, int), 2) == 0.0
    assert math.isnan(average_precision(np.array([0.9]), np.array([0]), 0))


def test_excused_detections_are_as_if_not_there() -> None:
    with_excused = average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, -1, 1]), 2)
    assert with_excused == pytest.approx(1.0)


def test_distances_decide_which_thresholds_a_match_counts_for() -> None:
    # 0.7 m off: false at 0.5 m, true at 1, 2 and 4 m. So AP is 3/4, and half of mAP for the other class's
    # NaN.
    record = match_clip([(_labels((_CAR, 5, 0, VISIBLE)), _boxes((_CAR, 0.9, 5.7, 0)))])
    figures = summarise([record])
    assert figures["ap_car"] == pytest.approx(0.75)
    assert math.isnan(figures["ap_pedestrian"])
    assert figures["recall"] == 1.0
    assert figures["centre_error_m"] == pytest.approx(0.7)
    assert figures["velocity_error_m_per_s"] == pytest.approx(5.0)


def test_classes_do_not_match_each_other() -> None:
    record = match_clip([(_labels((_CAR, 5, 0, VISIBLE)), _boxes((_PEDESTRIAN, 0.9, 5, 0)))])
    assert summarise([record])["recall"] == 0.0


def test_hidden_labels_have_their_own_recall_and_excuse_detections() -> None:
    labels = _labels(
        (_CAR, 5, 0, VISIBLE), (_CAR, 10, 0, HIDDEN), (_CAR, -10, 0, HIDDEN), (_CAR, 0, 9, IGNORED)
    )
    boxes = _boxes((_CAR, 0.9, 5, 0), (_CAR, 0.8, 11.9, 0), (_CAR, 0.6, 0, 8), (_CAR, 0.2, -10, 0))
    figures = summarise([match_clip([(labels, boxes)])])
    assert figures["ap_car"] == pytest.approx(1.0)
    # The second hidden car's detection scores less than 0.3.
    assert figures["hidden_recall"] == pytest.approx(0.5)
    assert figures["hidden_share"] == pytest.approx(0.5)


def test_a_hidden_label_excuses_one_detection_only() -> None:
    labels = _labels((_CAR, 5, 0, VISIBLE), (_CAR, 10, 0, HIDDEN))
    boxes = _boxes((_CAR, 0.9, 10, 0), (_CAR, 0.8, 10.5, 0), (_CAR, 0.7, 5, 0))
    record = match_clip([(labels, boxes)])
    assert record["car"]["outcome"][2] == [-1, 0, 1]


def test_a_detection_prefers_the_visible_label() -> None:
    # A hidden car right behind a visible one must not be credited with the visible one's detection.
    labels = _labels((_CAR, 5, 0, HIDDEN), (_CAR, 6, 0, VISIBLE))
    figures = summarise([match_clip([(labels, _boxes((_CAR, 0.9, 5.1, 0)))])])
    assert figures["recall"] == 1.0
    assert figures["hidden_recall"] == 0.0


def test_each_label_is_found_once() -> None:
    record = match_clip([(_labels((_CAR, 5, 0, VISIBLE)), _boxes((_CAR, 0.9, 5, 0), (_CAR, 0.8, 5.1, 0)))])
    assert record["car"]["outcome"][0] == [1, 0]


_POINT = st.tuples(st.sampled_from([0, 1]), st.floats(0.05, 1.0), st.floats(-15, 15), st.floats(-15, 15))
_LABEL = st.tuples(
    st.sampled_from([0, 1]),
    st.floats(-15, 15),
    st.floats(-15, 15),
    st.sampled_from([VISIBLE, HIDDEN, IGNORED]),
)


@given(
    st.lists(st.tuples(st.lists(_LABEL, max_size=6), st.lists(_POINT, max_size=6)), min_size=1, max_size=4)
)
def test_figures_are_shares_and_survive_json(
    frames: list[tuple[list[tuple[int, float, float, int]], list[tuple[int, float, float, float]]]],
) -> None:
    records = []
    for labels, boxes in frames:
        ordered = sorted(boxes, key=lambda box: -box[1])
        records.append(match_clip([(_labels(*labels), _boxes(*ordered))]))
    figures = summarise(records)
    again = summarise(json.loads(json.dumps(records)))
    for name, value in figures.items():
        assert math.isnan(value) == math.isnan(again[name])
        if not math.isnan(value):
            assert again[name] == pytest.approx(value)
        if name.startswith(("ap", "map", "recall", "hidden")) and not math.isnan(value):
            assert 0.0 <= value <= 1.0 + 1e-12


@given(st.permutations(range(4)))
def test_the_order_of_clips_does_not_matter(order: list[int]) -> None:
    records = [
        match_clip([(_labels((_CAR, 5, k, VISIBLE)), _boxes((_CAR, 0.9 - 0.1 * k, 5, k + 0.6 * (k % 2))))])
        for k in range(4)
    ]
    expected = summarise(records)["ap_car"]
    assert summarise([records[k] for k in order])["ap_car"] == pytest.approx(expected)
