from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deploykit.artifacts.contract import InputContract
from deploykit.tasks import TASKS, make_task
from deploykit.tasks.protocol import Clip, Task

IMAGE = InputContract(
    "image", (1, 3, 4, 6), "NCHW", raw_dtype="uint8", colour="bgr", mean=(127.5,), scale=(1 / 127.5,)
)
IDS = InputContract("ids", (1, 64), dtype="int64", raw_range=(5, 9))
MASK = InputContract("mask", (1, 64), dtype="int64")
SPEED = InputContract("speed", (500,), raw_range=(2.0, 3.0))
NOISE = InputContract("noise", (2000,))
FLAG = InputContract("flag", (64,), dtype="bool")


def task(**options: Any) -> Task:
    return make_task(
        "random",
        options,
        {"net": (IMAGE, IDS, MASK, SPEED, NOISE, FLAG), "b": (NOISE,), "c": (NOISE,)},
        Path(),
    )


def values(clip: Clip) -> dict[str, Any]:
    return {name: array.tolist() for name, array in clip.frames[0].items()}


def test_data_follows_the_contracts() -> None:
    (clip,) = task().calibration_clips("net", 1)
    (frame,) = clip.frames

    assert {name: (array.shape, str(array.dtype)) for name, array in frame.items()} == {
        "image": ((1, 3, 4, 6), "float32"),
        "ids": ((1, 64), "int64"),
        "mask": ((1, 64), "int64"),
        "speed": ((500,), "float32"),
        "noise": ((2000,), "float32"),
        "flag": ((64,), "bool"),
    }
    bytes_again = frame["image"] * 127.5 + 127.5
    assert np.allclose(bytes_again, np.rint(bytes_again), atol=1e-4)
    assert np.abs(frame["image"]).max() <= 1
    assert set(frame["ids"].reshape(-1).tolist()) == {5, 6, 7, 8}
    assert set(frame["mask"].reshape(-1).tolist()) == {0, 1}
    assert 2 <= frame["speed"].min() <= frame["speed"].max() < 3
    assert abs(frame["noise"].mean()) < 0.1
    assert abs(frame["noise"].std() - 1) < 0.1


def test_same_seed_same_data() -> None:
    first = [values(clip) for clip in task(seed=3).calibration_clips("net", 2)]

    assert [values(clip) for clip in task(seed=3).calibration_clips("net", 2)] == first
    assert [values(clip) for clip in task(seed=4).calibration_clips("net", 2)] != first
    assert first[0] != first[1]


def test_seen_and_unseen_data_differ_and_so_do_networks() -> None:
    (seen,) = task().calibration_clips("b", 1)
    (unseen,) = task().validation_clips("b", 1)
    (other,) = task().calibration_clips("c", 1)

    assert seen.frames[0]["noise"].tolist() != unseen.frames[0]["noise"].tolist()
    assert seen.frames[0]["noise"].tolist() != other.frames[0]["noise"].tolist()


def test_clips_may_have_several_frames() -> None:
    (clip,) = task(clip_frames=3).calibration_clips("b", 1)

    assert len({tuple(frame["noise"].tolist()) for frame in clip.frames}) == 3


def test_random_data_is_named_as_such() -> None:
    (clip,) = task().calibration_clips("net", 1)

    assert TASKS["random"].notice == "random data: ranges are not those of real frames"
    assert TASKS["random"].notice in clip.name


def test_nv12_noise_fits_without_resizing() -> None:
    camera = InputContract("x", (1, 3, 4, 6), "NCHW", colour="rgb", raw_colour="nv12", raw_dtype="uint8")
    made = make_task("random", {}, {"net": (camera,)}, Path())

    (clip,) = made.calibration_clips("net", 1)

    assert clip.frames[0]["x"].shape == (1, 3, 4, 6)


def test_there_is_nothing_to_judge_by() -> None:
    made = task()

    assert made.metrics == ()
    assert made.evaluate_clip(0, {}) == {}
    assert made.summarise([{}]) == {}
