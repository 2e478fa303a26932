"""The task as a pipeline uses it: networks that cheat in known ways, and the shipped one's contract."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
import pytest
from numpy.typing import NDArray

from deploykit.core.errors import InputError
from deploykit.core.runtime import open_session, run_session
from deploykit.tasks.bev import BevTask
from deploykit.tasks.bev import geometry as g
from deploykit.tasks.bev.scene import IGNORED, VISIBLE, Labels, generate_clip
from deploykit.tasks.protocol import Frame

_MODEL = Path(__file__).parents[3] / "pipelines" / "models" / "bev.onnx"


class _LabelReader:
    """A network that draws validation clip 1's labels instead of looking: all, or the visible ones."""

    def __init__(self, *, hidden: bool) -> None:
        self.hidden = hidden
        self.frame = 0
        self.resets = 0
        self.labels = [frame.labels for frame in generate_clip("validation", 1, 6)]

    def reset(self) -> None:
        self.resets += 1

    def __call__(self, inputs: Frame) -> dict[str, NDArray[Any]]:
        labels = self.labels[self.frame]
        self.frame += 1
        return _draw(labels, hidden=self.hidden)


def _draw(labels: Labels, *, hidden: bool) -> dict[str, NDArray[Any]]:
    heat, values = np.zeros((1, 2, 64, 64)), np.zeros((1, 9, 64, 64))
    centres = g.cell_centres()
    for index, state in enumerate(labels.state):
        if state == IGNORED or (state != VISIBLE and not hidden):
            continue
        x, y = labels.centre[index]
        column, row = int((x + g.BEV_HALF_M) / g.BEV_CELL_M), int((y + g.BEV_HALF_M) / g.BEV_CELL_M)
        heat[0, labels.label[index], row, column] = 0.9
        values[0, :2, row, column] = x - centres[column], y - centres[row]
        values[0, 7:, row, column] = labels.velocity[index]
    return {"heatmap": heat, "reg": values}


def test_a_network_that_knows_everything_scores_one() -> None:
    task = BevTask()
    figures = task.summarise([task.evaluate_clip(1, {"bev": _LabelReader(hidden=True)})])
    assert figures["map"] == pytest.approx(1.0)
    assert figures["recall"] == 1.0
    assert figures["hidden_recall"] == 1.0
    assert figures["centre_error_m"] == pytest.approx(0.0, abs=1e-6)
    assert figures["velocity_error_m_per_s"] == pytest.approx(0.0, abs=1e-6)


def test_a_network_without_memory_has_the_same_ap_and_no_hidden_recall() -> None:
    task = BevTask()
    figures = task.summarise([task.evaluate_clip(1, {"bev": _LabelReader(hidden=False)})])
    assert figures["map"] == pytest.approx(1.0)
    assert figures["hidden_recall"] == 0.0
    assert figures["hidden_share"] > 0.0


def test_metric_names_are_the_summary_s_keys() -> None:
    task = BevTask()
    record = task.evaluate_clip(1, {"bev": _LabelReader(hidden=True)})
    assert [spec.name for spec in task.metrics] == list(task.summarise([record]))


@pytest.mark.parametrize(("history", "resets"), [(True, 1), (False, 7)])
def test_without_history_the_network_is_reset_before_every_frame(history: bool, resets: int) -> None:
    network = _LabelReader(hidden=True)
    BevTask(history=history).evaluate_clip(1, {"bev": network})
    assert network.resets == resets


def test_calibration_and_validation_never_share_a_clip() -> None:
    task = BevTask(frames_per_clip=2)
    calibration = next(task.calibration_clips("bev", 1))
    validation = next(task.validation_clips("bev", 1))
    assert calibration.name == "train-0000"
    assert validation.name == "validation-0000"
    assert not np.array_equal(calibration.frames[0]["images"], validation.frames[0]["images"])
    assert {name: value.shape for name, value in validation.frames[1].items()} == {
        "images": (6, 3, 96, 256),
        "ego_motion": (1, 2, 3),
    }
    assert np.array_equal(validation.frames[0]["ego_motion"][0], np.eye(2, 3))


def test_another_network_s_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"networks\.lidar: .* its one network is 'bev'"):
        list(BevTask().calibration_clips("lidar", 1))


def test_the_shipped_network_keeps_its_contract() -> None:
    model = onnx.load(_MODEL)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "images": [6, 3, 96, 256],
        "prev_bev": [1, 48, 64, 64],
        "ego_motion": [1, 2, 3],
        "heatmap": [1, 2, 64, 64],
        "reg": [1, 9, 64, 64],
        "bev_memory": [1, 48, 64, 64],
    }
    made = {name for node in model.graph.node for name in node.output}
    assert {"image_features", "bev_lifted", "bev_features", "warped_memory", "bev_memory"} <= made
    assert model.opset_import[0].version >= 17
    assert sum(file.stat().st_size for file in _MODEL.parent.glob("bev.*")) <= 6_000_000


def _warp(memory: NDArray[Any], motion: NDArray[Any]) -> NDArray[Any]:
    """Sample each channel bilinearly where each cell's centre was in the last frame; zero outside."""
    centres = g.cell_centres()
    x, y = np.meshgrid(centres, centres)
    was = motion @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    column, row = (was + g.BEV_HALF_M) / g.BEV_CELL_M - 0.5
    result = np.zeros((memory.shape[1], x.size))
    for d_row in (0, 1):
        for d_column in (0, 1):
            r, c = np.floor(row).astype(int) + d_row, np.floor(column).astype(int) + d_column
            weight = (1 - abs(row - r)) * (1 - abs(column - c))
            inside = (r >= 0) & (r < 64) & (c >= 0) & (c < 64)
            result[:, inside] += weight[inside] * memory[0][:, r[inside], c[inside]]
    return result.reshape(memory.shape)


def test_the_network_warps_its_memory_by_the_ego_motion() -> None:
    extractor = onnx.utils.Extractor(onnx.load(_MODEL))
    part = extractor.extract_model(["prev_bev", "ego_motion"], ["warped_memory"])
    memory = np.random.default_rng(0).standard_normal((1, 48, 64, 64)).astype(np.float32)
    cosine, sine = math.cos(0.2), math.sin(0.2)
    motion = np.array([[cosine, -sine, 2.5], [sine, cosine, -0.7]], np.float32)
    session = open_session(part.SerializeToString())
    (warped,) = run_session(session, {"prev_bev": memory, "ego_motion": motion[None]})
    assert np.abs(warped - _warp(memory, motion)).max() < 1e-3
