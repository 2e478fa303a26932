from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.tasks import make_task
from deploykit.tasks.protocol import Task

X = InputContract("x", (1, 3, 2, 4), "NCHW", colour="bgr", raw_dtype="uint8", resize="letterbox")


def task(folder: Path, *contracts: InputContract, **options: Any) -> Task:
    return make_task("images", {"path": "data", **options}, {"net": contracts or (X,)}, folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def paint(file: Path, colour: tuple[int, ...], size: tuple[int, int] = (4, 2), mode: str = "RGB") -> None:
    Image.new(mode, size, colour).save(file)


def test_images_become_frames_in_the_networks_colour_order(data: Path) -> None:
    paint(data / "a.png", (10, 20, 30))
    paint(data / "b.PNG", (10, 20, 30, 255), mode="RGBA")
    paint(data / "c.bmp", (1, 2, 3))

    clips = list(task(data.parent).calibration_clips("net", 9))
    (unseen,) = task(data.parent).validation_clips("net", 9)

    assert [clip.name for clip in clips] == ["a", "b"]
    assert [clip.frames[0]["x"][0, :, 0, 0].tolist() for clip in clips] == [[30, 20, 10]] * 2
    assert unseen.frames[0]["x"][0, :, 0, 0].tolist() == [3, 2, 1]


def test_a_gray_network_reads_colour_images(data: Path) -> None:
    paint(data / "a.png", (10, 20, 30))
    gray = InputContract("x", (1, 1, 2, 4), "NCHW", colour="gray", raw_dtype="uint8")

    (clip,) = task(data.parent, gray).calibration_clips("net", 1)

    assert np.allclose(clip.frames[0]["x"], 18)  # 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15, rounded


def test_all_broken_images_are_told_at_once(data: Path) -> None:
    paint(data / "a.png", (0, 0, 0))
    (data / "b.png").write_bytes((data / "a.png").read_bytes()[:40])
    (data / "c.jpg").write_text("no image")
    paint(data / "d.png", (0, 0, 0))

    with pytest.raises(InputError) as caught:
        list(task(data.parent).calibration_clips("net", 9))

    assert [fault.where for fault in caught.value.faults] == [str(data / "b.png"), str(data / "c.jpg")]
    assert all("not a readable image" in fault.what for fault in caught.value.faults)


def test_a_wrong_size_names_the_file(data: Path) -> None:
    paint(data / "a.png", (0, 0, 0), size=(3, 3))
    exact = InputContract("x", (1, 3, 2, 4), "NCHW", colour="rgb", raw_dtype="uint8")

    with pytest.raises(
        InputError, match=r"a\.png: x: an image of 3 x 3 pixels does not fit the input's 2 x 4"
    ):
        list(task(data.parent, exact).calibration_clips("net", 1))


@pytest.mark.parametrize(
    ("contracts", "message"),
    [
        (
            (InputContract("ids", (1, 4), dtype="int64"),),
            r"feeds one rgb, bgr or gray input.* has ids \(none\)",
        ),
        ((X, InputContract("scale", (1,))), r"this network has x \(bgr\), scale \(none\)"),
        ((InputContract("x", (6, 3, 2, 4), "NCHW", colour="rgb"),), r"the input holds \(6,\)"),
    ],
)
def test_networks_that_images_cannot_feed(
    data: Path, contracts: tuple[InputContract, ...], message: str
) -> None:
    paint(data / "a.png", (0, 0, 0))

    with pytest.raises(InputError, match=message):
        list(task(data.parent, *contracts).calibration_clips("net", 1))


def test_an_empty_folder(data: Path) -> None:
    with pytest.raises(InputError, match="the data folder is empty"):
        list(task(data.parent).calibration_clips("net", 1))
