"""What a board did to a frame is read from its input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.stages.input_alignment import InputFinding, align_input
from deploykit.tasks.preprocess import to_tensor

Array = NDArray[Any]
CONTRACT = InputContract(
    "image", (1, 3, 24, 40), "NCHW", raw_dtype="uint8", colour="rgb", resize="letterbox", padding=114.0,
    mean=(123.675, 116.28, 103.53), scale=(0.0171, 0.0175, 0.0174),
)  # fmt: skip


def picture() -> Array:
    """Soft shapes with colours that differ by channel, 60 x 64 pixels: the letterbox has bars at the sides."""
    rows, columns = np.mgrid[0:60, 0:64]
    waves = [
        np.sin(rows / 9) + np.cos(columns / 7),
        np.sin((rows + columns) / 8),
        np.cos(rows / 5) * columns / 64,
    ]
    return np.stack([127 + 60 * wave / np.abs(wave).max() for wave in waves], axis=-1).astype(np.uint8)


def found(board: Array, contract: InputContract = CONTRACT) -> dict[str, InputFinding]:
    return {item.kind: item for item in align_input(picture(), board, contract).findings}


def by(**changes: Any) -> Array:
    return to_tensor(picture(), replace(CONTRACT, **changes))


def test_a_board_that_does_what_the_contract_says() -> None:
    aligned = align_input(picture(), by(), CONTRACT)
    assert aligned.findings == ()
    assert aligned.gain == pytest.approx(CONTRACT.scale, rel=1e-3)
    assert aligned.max_abs == 0.0
    assert found(by().astype(np.float16)) == {}


@pytest.mark.parametrize(
    ("changes", "kind", "line"),
    [
        ({"colour": "bgr", "raw_colour": "rgb", "mean": CONTRACT.mean, "scale": CONTRACT.scale}, "colour", "colour: bgr"),
        ({"resize": "stretch"}, "resize", "resize: stretch"),
        ({"resize": "crop"}, "resize", "resize: crop"),
        ({"anchor": "top_left"}, "resize", "resize: letterbox\nanchor: top_left"),
        ({"padding": 0.0}, "padding", "padding: 0"),
        ({"layout": "NHWC", "shape": (1, 24, 40, 3)}, "layout", "layout: NHWC"),
    ],
)  # fmt: skip
def test_one_thing_is_otherwise(changes: dict[str, Any], kind: str, line: str) -> None:
    findings = found(by(**changes))
    assert list(findings) == [kind]
    assert findings[kind].line == line


@pytest.mark.parametrize(
    ("mean", "scale", "text"),
    [
        ((0.0,), (1.0,), "not applied: the board gives raw pixels"),
        ((0.0,), (1 / 255,), "only divided by 255"),
        ((0.0,), CONTRACT.scale, "the scale is applied, the mean is not"),
        (CONTRACT.mean, (1.0,), "the mean is taken off, the scale is not applied"),
        (CONTRACT.mean[::-1], CONTRACT.scale[::-1], "have the other channel order"),
        ((100.0, 90.0, 80.0), (0.02, 0.02, 0.02), "mean and scale are others"),
    ],
)
def test_mean_and_scale(mean: tuple[float, ...], scale: tuple[float, ...], text: str) -> None:
    findings = found(by(mean=mean, scale=scale))
    assert list(findings) == ["values"]
    assert text in findings["values"].explanation


def test_the_lines_give_the_boards_mean_and_scale() -> None:
    (values,) = found(by(mean=(100.0, 90.0, 80.0), scale=(0.02, 0.03, 0.04), dtype="double")).values()
    assert values.line == "mean: [100, 90, 80]\nscale: [0.02, 0.03, 0.04]"
    twice = (by() - np.reshape(CONTRACT.mean, (3, 1, 1))) * np.reshape(CONTRACT.scale, (3, 1, 1))
    assert "applied twice" in found(twice)["values"].explanation


def test_several_things_at_once() -> None:
    board = by(
        mean=(0.0,), scale=(1.0,), layout="NHWC", shape=(1, 24, 40, 3), resize="stretch", dtype="uint8"
    )
    findings = found(board)
    assert set(findings) == {"layout", "resize", "values", "type"}
    assert findings["type"].line == "dtype: uint8"


def test_what_cannot_be_explained() -> None:
    noise = np.random.default_rng(0).standard_normal(CONTRACT.shape)
    assert list(found(noise)) == ["unexplained"]
    assert list(found(np.full(CONTRACT.shape, 3.0))) == ["constant"]
    with pytest.raises(InputError, match="has 10 values, the contract"):
        found(np.zeros(10))
    with pytest.raises(InputError, match="NaN or infinite"):
        found(np.full(CONTRACT.shape, np.nan))
    with pytest.raises(InputError, match="rgb, bgr and gray images are aligned"):
        found(np.zeros(2880), InputContract("x", (1, 2880)))
