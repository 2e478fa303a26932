from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.core.packages import package_file
from deploykit.core.runtime import open_session
from deploykit.tasks import make_task
from deploykit.tasks.ocr.page import PageLook
from deploykit.tasks.ocr.scoring import METRICS
from deploykit.tasks.ocr.task import OcrTask
from deploykit.tasks.protocol import Array, Frame

LINE: dict[str, Any] = {
    "layout": "NCHW",
    "raw_dtype": "uint8",
    "colour": "bgr",
    "mean": (127.5,),
    "scale": (1 / 127.5,),
    "resize": "fit_height",
    "anchor": "top_left",
    "padding": 127.5,
}
PAGE: dict[str, Any] = {
    **LINE,
    "mean": (123.675, 116.28, 103.53),
    "scale": (0.0171247538, 0.0175070028, 0.0174291939),
    "resize": "letterbox",
}
CONTRACTS = {
    "det": (InputContract("x", (1, 3, 480, 640), **PAGE),),
    "cls": (InputContract("x", (1, 3, 48, 192), **LINE),),
    "rec": (InputContract("x", (1, 3, 48, 320), **LINE),),
}
HAS_MODELS = importlib.util.find_spec("rapidocr_onnxruntime") is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model whose metadata lists three characters."""
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    model = onnx.parser.parse_model(text)
    onnx.helper.set_model_props(model, {"character": "a\nb\nc"})
    onnx.save(model, tmp_path / "rec.onnx")
    return tmp_path


def task(
    folder: Path, contracts: Mapping[str, tuple[InputContract, ...]] = CONTRACTS, **options: Any
) -> OcrTask:
    made = make_task("ocr", {"characters": "rec.onnx", **options}, contracts, folder)
    assert isinstance(made, OcrTask)
    return made


def test_clips_of_each_network(folder: Path) -> None:
    made = task(folder)

    shapes = {
        network: [clip.frames[0]["x"].shape for clip in made.calibration_clips(network, 2)]
        for network in CONTRACTS
    }

    assert shapes == {network: [items[0].shape] * 2 for network, items in CONTRACTS.items()}
    first, second = made.validation_clips("rec", 2)
    assert first.name == "validation page 0 line 0"
    assert np.abs(first.frames[0]["x"]).max() <= 1
    assert first.frames[0]["x"].tobytes() != second.frames[0]["x"].tobytes()


def test_unseen_pages_say_other_words(folder: Path) -> None:
    made = task(folder)

    seen, unseen = made.page("calibration", 0), made.page("validation", 0)

    assert {line.text for line in seen.lines}.isdisjoint(line.text for line in unseen.lines)
    assert task(folder, seed=5).page("validation", 0).image.tobytes() != unseen.image.tobytes()


def test_lines_for_the_recogniser_are_upright(folder: Path) -> None:
    made = task(folder, look={"upside_down_share": 1.0, "rotation_degrees": 0.0})
    (turned,), (upright,) = made.calibration_clips("cls", 1), made.calibration_clips("rec", 1)

    # 192 of the classifier's columns show the same line as the recogniser's 320, the other way round.
    short = turned.frames[0]["x"][0, 0]
    long = upright.frames[0]["x"][0, 0]
    assert made.look == PageLook(upside_down_share=1.0, rotation_degrees=0.0)
    assert short.shape == (48, 192)
    assert long.shape == (48, 320)
    assert np.corrcoef(short.mean(axis=1), long.mean(axis=1)[::-1])[0, 1] > 0.95


@dataclass
class Fake:
    """A network that answers from a function, and notes what it was asked."""

    answer: Any
    asked: list[Frame] = field(default_factory=list)

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, inputs: Frame) -> dict[str, Array]:
        self.asked.append(inputs)
        return {"out": self.answer(len(self.asked) - 1)}


def test_a_page_is_read_line_by_line(folder: Path) -> None:
    made = task(folder, look={"lines": 2, "upside_down_share": 0.5})
    truth = made.page("validation", 0).lines
    probability = np.zeros((1, 1, 480, 640), np.float32)
    for line in truth:  # the page is 960 x 720: factor 2/3; the detector shrinks text, so that it grows back
        (left, top), (right, bottom) = line.corners.min(0) * 2 / 3, line.corners.max(0) * 2 / 3
        probability[0, 0, int(top) + 6 : int(bottom) - 5, int(left) + 6 : int(right) - 5] = 0.9
    det = Fake(lambda _: probability)
    cls = Fake(lambda index: np.array([[0.01, 0.99]] if truth[index].upside_down else [[0.99, 0.01]]))
    rec = Fake(lambda index: np.eye(5)[None, [0, 1, 1, 0, 2] if index == 0 else [3, 3, 4, 3]])

    record = made.evaluate_clip(0, {"det": det, "cls": cls, "rec": rec})

    assert [row["read"] for row in record["lines"]] == ["ab", "c c"]
    assert [row["found"] for row in record["lines"]] == [True, True]
    assert [row["direction_right"] for row in record["lines"]] == [True, True]
    assert record["boxes"] == 2
    assert (len(det.asked), len(cls.asked), len(rec.asked)) == (1, 2, 2)
    assert made.summarise([record])["detection_recall"] == 100


def test_metrics_are_those_of_the_summary(folder: Path) -> None:
    assert task(folder).metrics == METRICS


def test_missing_networks_are_told_at_once(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        task(folder, {"det": CONTRACTS["det"]})

    assert [fault.what for fault in caught.value.faults] == [
        "the ocr task needs a network 'cls' with one image input",
        "the ocr task needs a network 'rec' with one image input",
    ]


def test_a_missing_character_file(folder: Path) -> None:
    with pytest.raises(InputError, match=r"task\.characters: there is no file .*other\.onnx"):
        _ = task(folder, characters="other.onnx").character_list


class Session:
    """A network of the package in onnxruntime."""

    def __init__(self, file: str) -> None:
        model = package_file(f"package:rapidocr_onnxruntime/models/{file}", "test")
        self.session = open_session(model, exact=False)

    def reset(self) -> None:
        """Nothing to forget."""

    def __call__(self, inputs: Frame) -> dict[str, Array]:
        return {"out": self.session.run(None, dict(inputs))[0]}


@pytest.mark.skipif(
    not HAS_MODELS, reason="needs the package rapidocr-onnxruntime: pip install 'deploykit[ocr]'"
)
def test_the_real_networks_read_the_pages(tmp_path: Path) -> None:
    made = make_task("ocr", {}, CONTRACTS, tmp_path)
    networks = {
        "det": Session("ch_PP-OCRv4_det_infer.onnx"),
        "cls": Session("ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        "rec": Session("ch_PP-OCRv4_rec_infer.onnx"),
    }

    found = made.summarise([made.evaluate_clip(index, networks) for index in range(4)])

    assert found["detection_recall"] == 100
    assert found["direction_accuracy"] == 100
    assert found["line_exact_match"] >= 90
    assert found["character_error_rate"] <= 2
