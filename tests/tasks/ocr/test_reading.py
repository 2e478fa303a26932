from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from deploykit.core.errors import InputError
from deploykit.tasks.ocr.reading import cut_line, decode_text, read_characters, upside_down

CHARACTERS = ("", "a", "b", " ")


def one_hot(classes: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.eye(len(CHARACTERS))[classes]


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ([1, 1, 2], "ab"),  # repeats merge
        ([1, 0, 1], "aa"),  # a blank between them keeps both
        ([0, 0, 1, 0, 0], "a"),
        ([0, 1, 1, 0, 1, 2, 2, 3, 2, 0], "aab b"),
        ([0, 0], ""),
        ([2], "b"),
    ],
)
def test_greedy_decoding(classes: list[int], text: str) -> None:
    assert decode_text(one_hot(classes), CHARACTERS) == text


def test_cutting_a_straight_box_copies_its_pixels() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    box = np.array([[5, 4], [15, 4], [15, 10], [5, 10]], dtype=float)

    assert cut_line(image, box).tolist() == image[4:10, 5:15].tolist()


def test_cutting_from_the_other_end_turns_the_line_around() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    box = np.array([[5, 4], [15, 4], [15, 10], [5, 10]], dtype=float)

    assert cut_line(image, np.roll(box, 2, axis=0)).tolist() == image[4:10, 5:15][::-1, ::-1].tolist()


def test_a_line_is_turned_only_when_the_classifier_is_sure() -> None:
    assert upside_down(np.array([[0.05, 0.95]]), 0.9)
    assert not upside_down(np.array([[0.2, 0.8]]), 0.9)
    assert not upside_down(np.array([[0.95, 0.05]]), 0.9)


def model_with(metadata: dict[str, str]) -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float[1] y) { y = Relu(x) }'
    )
    onnx.helper.set_model_props(model, metadata)
    return model


def test_characters_come_from_the_metadata(tmp_path: Path) -> None:
    onnx.save(model_with({"character": "x\ny\n疗"}), tmp_path / "rec.onnx")

    assert read_characters(tmp_path / "rec.onnx") == ("", "x", "y", "疗", " ")


def test_a_model_without_a_character_list(tmp_path: Path) -> None:
    onnx.save(model_with({}), tmp_path / "rec.onnx")

    with pytest.raises(InputError, match="has no `character` list"):
        read_characters(tmp_path / "rec.onnx")
