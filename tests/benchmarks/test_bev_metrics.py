"""The measurement's own arithmetic: rounding of weights and paired intervals."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from benchmarks.bev_metrics import bootstrap_difference, round_weights
from deploykit.tasks.bev import BevTask
from deploykit.tasks.bev.decode import Boxes
from deploykit.tasks.bev.metric import match_clip
from deploykit.tasks.bev.scene import VISIBLE, Labels
from deploykit.tasks.protocol import Record


def _conv(weight: np.ndarray) -> onnx.ModelProto:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        conv (float[1, 2, 1, 1] x) => (float[1, 2, 1, 1] y) { y = Conv(x, w, b) }"""
    )
    for name, value in (("w", weight), ("b", np.array([0.3, 0.4]))):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    return model


def _weight(model: onnx.ModelProto, name: str) -> list[float]:
    return numpy_helper.to_array(next(w for w in model.graph.initializer if w.name == name)).ravel().tolist()


def test_four_bits_per_tensor_share_one_scale() -> None:
    # Largest 7.0, so the step is 1: the second filter's small weights vanish.
    model = _conv(np.array([7.0, -2.4, 0.4, 0.2]).reshape(2, 2, 1, 1))
    rounded = round_weights(model, 4, per_channel=False)
    assert _weight(rounded, "w") == pytest.approx([7.0, -2.0, 0.0, 0.0])
    assert _weight(rounded, "b") == pytest.approx([0.3, 0.4])
    assert _weight(model, "w") == pytest.approx([7.0, -2.4, 0.4, 0.2])


def test_four_bits_per_channel_keep_small_filters() -> None:
    # The second filter's step is 0.4 / 7; 0.2 is 3.5 steps, and numpy rounds halves to even: 4 steps.
    model = _conv(np.array([7.0, -2.4, 0.4, 0.2]).reshape(2, 2, 1, 1))
    assert _weight(round_weights(model, 4, per_channel=True), "w") == pytest.approx(
        [7.0, -2.0, 0.4, 1.6 / 7], abs=1e-6
    )


def _record(found: bool) -> Record:
    n = 2
    labels = Labels(
        label=np.arange(n),
        centre=np.array([[5.0, 0.0], [0.0, 5.0]]),
        size=np.ones((n, 3)),
        yaw=np.zeros(n),
        velocity=np.zeros((n, 2)),
        state=np.full(n, VISIBLE),
        visible_pixels=np.full(n, 50),
    )
    centre = labels.centre if found else -labels.centre
    boxes = Boxes(np.arange(n), np.full(n, 0.9), centre, np.ones((n, 3)), np.zeros(n), np.zeros((n, 2)))
    return match_clip([(labels, boxes)])


def test_a_network_against_itself_has_no_difference_and_no_interval() -> None:
    records = [_record(True), _record(False), _record(True)]
    assert bootstrap_difference(BevTask(), records, records, 50)["recall"] == (0.0, 0.0, 0.0)


def test_the_interval_is_that_of_pairs() -> None:
    # One clip of three is lost. Resamples lose it twice or more with 7/27, three times with 1/27 (3.7 %).
    base = [_record(True)] * 3
    other = [_record(True)] * 2 + [_record(False)]
    change, low, high = bootstrap_difference(BevTask(), base, other, 1000)["recall"]
    assert change == pytest.approx(-1 / 3)
    assert low == pytest.approx(-2 / 3)
    assert high == pytest.approx(0.0)
