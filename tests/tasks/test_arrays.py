from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.tasks import make_task
from deploykit.tasks.protocol import Task

X = InputContract("x", (1, 2))
IDS = InputContract("ids", (1, 3), dtype="int64")


def task(folder: Path, *contracts: InputContract, **options: Any) -> Task:
    return make_task("arrays", {"path": "data", **options}, {"net": contracts}, folder)


def first_values(made: Task, count: int = 99, *, unseen: bool = False) -> list[list[float]]:
    """The first number of each frame, clip by clip."""
    clips = made.validation_clips("net", count) if unseen else made.calibration_clips("net", count)
    return [[float(frame["x"].reshape(-1)[0]) for frame in clip.frames] for clip in clips]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write_frames(data: Path, count: int) -> None:
    for index in range(count):
        np.save(data / f"{index:02d}.npy", np.full((1, 2), index, dtype=np.float32))


def test_a_file_is_a_frame_and_the_last_quarter_is_unseen(data: Path) -> None:
    write_frames(data, 8)

    made = task(data.parent, X)

    assert first_values(made) == [[0], [1], [2], [3], [4], [5]]
    assert first_values(made, unseen=True) == [[6], [7]]
    assert first_values(made, 2) == [[0], [1]]


def test_files_make_clips(data: Path) -> None:
    write_frames(data, 8)

    assert first_values(task(data.parent, X, clip_files=4, validation_share=0.5)) == [[0, 1, 2, 3]]


def test_a_file_with_a_time_axis_is_a_clip(data: Path) -> None:
    np.save(data / "a.npy", np.arange(6, dtype=np.float32).reshape(3, 1, 2))

    made = task(data.parent, X)

    assert first_values(made) == [[0, 2, 4]]
    assert first_values(made, unseen=True) == [[0, 2, 4]]  # one file has to serve both


def test_several_inputs_come_from_an_npz(data: Path) -> None:
    np.savez(data / "a.npz", x=np.ones((1, 2), np.float32), ids=np.arange(3).reshape(1, 3))

    (clip,) = task(data.parent, X, IDS).calibration_clips("net", 1)

    assert {name: array.tolist() for name, array in clip.frames[0].items()} == {
        "x": [[1, 1]],
        "ids": [[0, 1, 2]],
    }


def test_unseen_data_may_have_its_own_folder(data: Path) -> None:
    write_frames(data, 2)
    (data.parent / "unseen").mkdir()
    np.save(data.parent / "unseen" / "a.npy", np.full((1, 2), 9, dtype=np.float32))

    made = task(data.parent, X, validation_path="unseen")

    assert first_values(made) == [[0], [1]]
    assert first_values(made, unseen=True) == [[9]]


def test_each_network_has_its_folder(data: Path) -> None:
    (data / "one").mkdir()
    np.save(data / "one" / "a.npy", np.zeros((1, 2), np.float32))
    made = make_task("arrays", {"path": "data"}, {"one": (X,), "two": (X,)}, data.parent)

    assert len(list(made.calibration_clips("one", 5))) == 1
    with pytest.raises(InputError, match=r"no folder 'two' in the data folder; each network \(one, two\)"):
        list(made.calibration_clips("two", 5))


def test_raw_arrays_go_through_the_contract(data: Path) -> None:
    image = InputContract(
        "x",
        (1, 3, 2, 2),
        "NCHW",
        colour="bgr",
        raw_colour="rgb",
        raw_dtype="uint8",
        resize="stretch",
        scale=(0.1,),
    )
    pixels = np.zeros((2, 4, 4, 3), np.uint8)  # a clip of two frames of another size
    pixels[1, ..., 2] = 50
    np.save(data / "a.npy", pixels)

    (clip,) = task(data.parent, image, values="raw").calibration_clips("net", 1)

    assert [frame["x"][0, :, 0, 0].tolist() for frame in clip.frames] == [[0, 0, 0], [5, 0, 0]]


def faults_of(made: Task) -> list[str]:
    with pytest.raises(InputError) as caught:
        list(made.calibration_clips("net", 99))
    return [str(fault) for fault in caught.value.faults]


def test_every_fault_of_every_file_is_told_at_once(data: Path) -> None:
    bad = np.zeros((1, 2), np.float32)
    bad[0, 1] = np.nan
    np.save(data / "a.npy", bad)
    np.save(data / "b.npy", np.zeros((1, 2)))
    np.save(data / "c.npy", np.zeros((1, 5), np.float32))
    np.save(data / "d.npy", np.array([object()]), allow_pickle=True)
    (data / "e.npy").write_bytes(b"\x93NUMPY")
    (data / "f.npz").write_bytes(b"PK not a zip")
    np.save(data / "g.npy", np.full((1, 2), np.inf, np.float32))
    np.save(data / "h.npy", np.zeros((1, 2), np.float32))

    found = faults_of(task(data.parent, X, validation_share=0.01))

    assert len(found) == 7
    where = [
        f"{data}/{name}"
        for name in ("a.npy: x", "b.npy: x", "c.npy: x", "d.npy", "e.npy", "f.npz", "g.npy: x")
    ]
    assert [fault.startswith(f"{place}: ") for fault, place in zip(found, where, strict=True)] == [True] * 7
    assert "1 of 2 values are NaN or infinite, the first at (0, 1)" in found[0]
    assert "type float64, the network reads float32; save it with .astype('float32')" in found[1]
    assert "shape (1, 5), the network reads (1, 2)" in found[2]
    assert "not a readable numpy file" in found[3]
    assert "2 of 2 values are NaN or infinite" in found[6]


def test_wrong_names_in_an_npz(data: Path) -> None:
    np.savez(data / "a.npz", y=np.ones((1, 2), np.float32))

    assert faults_of(task(data.parent, X)) == [
        f"{data}/a.npz: no data for input 'x'; it has y",
        f"{data}/a.npz: the network has no input 'y'; it reads x",
    ]


def test_inputs_with_different_numbers_of_frames(data: Path) -> None:
    np.savez(data / "a.npz", x=np.ones((4, 1, 2), np.float32), ids=np.ones((3, 1, 3), np.int64))

    assert faults_of(task(data.parent, X, IDS)) == [
        f"{data}/a.npz: the inputs have different numbers of frames: {{'x': 4, 'ids': 3}}"
    ]


def test_many_faults_are_cut_short(data: Path) -> None:
    for index in range(30):
        np.save(data / f"{index:02d}.npy", np.zeros((1, 2)))

    found = faults_of(task(data.parent, X, validation_share=0.01))

    assert len(found) == 21
    assert found[-1] == "and 9 more faults in the data"


def test_an_empty_or_missing_folder(data: Path) -> None:
    (data / "notes.txt").write_text("nothing")

    assert faults_of(task(data.parent, X)) == [
        f"{data}: the data folder is empty; it should hold files of type .npy, .npz"
    ]
    missing = faults_of(task(data.parent, X, path="nowhere"))
    assert missing == [
        f"{data.parent}/nowhere: there is no such folder; a relative path starts at the pipeline's YAML"
    ]


def test_a_link_must_not_leave_the_folder(data: Path) -> None:
    np.save(data.parent / "outside.npy", np.zeros((1, 2), np.float32))
    write_frames(data, 1)
    os.symlink(data.parent / "outside.npy", data / "b.npy")
    os.symlink(data / "00.npy", data / "c.npy")

    assert faults_of(task(data.parent, X)) == [
        f"{data}/b.npy: the name leads out of the data folder; put the file itself there"
    ]


def test_raw_data_of_another_type(data: Path) -> None:
    image = InputContract("x", (1, 3, 2, 2), "NCHW", colour="rgb", raw_dtype="uint8")
    np.save(data / "a.npy", np.zeros((2, 2, 3), np.float32))
    np.save(data / "b.npy", np.zeros((2, 3, 3), np.uint8))
    np.save(data / "c.npy", np.zeros((2, 2, 3), np.uint8))

    found = faults_of(task(data.parent, image, values="raw", validation_share=0.01))

    assert "a.npy: x: raw type float32, the contract says uint8" in found[0]
    assert "b.npy: x: an image of 2 x 3 pixels does not fit the input's 2 x 2" in found[1]
