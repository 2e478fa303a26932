"""Each fault has one message: which file, what was found, what was expected, what would fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def test_a_size_that_the_contract_does_not_explain(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(1, 3, 5, 6))
    lab.write("board/t.bin", bytes(480))  # 15 rows of 24 bytes are 360; 15 x 32 are 480
    answer = lab.diff()
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert "board/t.bin: 480 bytes, 360 expected" in line
    assert "row_pitch_bytes: 32" in line


@pytest.mark.parametrize(
    ("size", "fix"),
    [
        (180, "dtype: float16"),
        (90, "dtype: int8"),
        (16 * 30 * 4, "layout: NC1HWC0, channel_block: 16"),
        (365, "tail_bytes: 5"),
    ],
)
def test_the_nearest_contract_is_named(lab: Lab, size: int, fix: str) -> None:
    lab.save("ref/t.npy", feature_map(1, 3, 5, 6))
    lab.write("board/t.bin", bytes(size))
    assert fix in lab.diff().err


def test_an_empty_file(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(1, 3, 5, 6))
    lab.write("board/t.bin", b"")
    answer = lab.diff()
    assert answer.code == 2
    assert "board/t.bin: is empty: 0 bytes, 360 expected" in answer.err


def test_a_wrong_type_name(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.bin", [1.0])
    answer = lab.diff("--contract", "t:dtype=flaot16")
    assert answer.code == 2
    assert "no element type 'flaot16', did you mean 'float16'?" in answer.err


def test_two_files_for_one_tensor(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    lab.save("board/t.bin", [1.0])
    answer = lab.diff()
    assert answer.code == 2
    assert "a second file for 't'; the first is" in answer.err


def test_frames_missing_in_the_middle(lab: Lab) -> None:
    for frame in range(4):
        lab.save(f"ref/frame_{frame}/t.npy", [1.0 + frame])
        if frame != 2:
            lab.save(f"board/frame_{frame}/t.npy", [1.0 + frame])
    answer = lab.diff()
    assert answer.code == 4
    assert "incomplete t: frames 2 are on one side only (1 in all)" in answer.out


def test_a_folder_without_anything(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    (lab.folder / "board").mkdir()
    answer = lab.diff()
    assert answer.code == 2
    assert "holds no file that can be read as a dump" in answer.err


def test_a_path_that_is_not_there(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    answer = lab.diff(board="borad")
    assert answer.code == 2
    assert "borad: does not exist" in answer.err


def test_python_objects_are_refused(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    numpy.save(lab.folder / "board.npy", numpy.array([{"a": 1}], object), allow_pickle=True)
    answer = lab.diff(board="board.npy")
    assert answer.code == 2
    assert "share no tensor name" in answer.err or "Python objects, which are refused" in answer.err


def test_a_file_that_was_cut_off(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(4, 4))
    path = lab.save("board/t.npy", feature_map(4, 4))
    path.write_bytes(path.read_bytes()[:-8])
    answer = lab.diff()
    assert answer.code == 2
    assert "56 bytes of values, 64 expected" in answer.err


def test_another_shape_says_what_it_may_be(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(1, 3, 5, 6))
    lab.save("board/t.npy", feature_map(1, 5, 6, 3))
    answer = lab.diff()
    assert answer.code == 2
    assert "has the shape [1, 5, 6, 3], the reference [1, 3, 5, 6]; that is layout: NHWC" in answer.err


def test_one_bad_file_beside_good_ones_is_incomplete(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/b.npy", [1.0])
    lab.save("board/a.npy", [1.0])
    lab.write("board/b.bin", b"")
    answer = lab.diff()
    assert answer.code == 4
    assert "unreadable b: " in answer.out
    assert "board/b.bin: is empty: 0 bytes, 4 expected" in answer.out.replace("\n    ", " ")


def test_all_faults_of_the_options_at_once(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    answer = lab.diff("--contract", "t:layuot=NHWC", "--group", "nonsense")
    assert answer.code == 2
    assert "no field 'layuot', did you mean 'layout'?" in answer.err
    assert "'nonsense' is no group" in answer.err


def test_a_pattern_that_fits_nothing(lab: Lab) -> None:
    lab.save("ref/head.npy", [1.0])
    lab.save("board/head.npy", [1.0])
    answer = lab.diff("--tolerance", "haed:sqnr_db>=20")
    assert answer.code == 2
    assert "did you mean 'head'?" in answer.err


def test_an_unknown_measure(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    answer = lab.diff("--tolerance", "*:sqnr>=20")
    assert "no measure 'sqnr', did you mean 'sqnr_db'?" in answer.err


def test_one_frame_in_two_files(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    lab.save("board/frame_0/t.npy", [2.0])
    answer = lab.diff()
    assert answer.code == 2
    assert "holds frame 0 of 't', which is in another file too" in answer.err


def test_a_tensor_without_elements_is_said(lab: Lab) -> None:
    lab.save("ref/t.npy", numpy.zeros((0, 4)))
    lab.save("board/t.npy", numpy.zeros((0, 4)))
    assert "t: has no elements" in lab.diff("--details").out


def test_a_broken_header(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    path = lab.save("board/t.npy", [1.0])
    path.write_bytes(path.read_bytes().replace(b"(1,)", b"(1, "))
    answer = lab.diff()
    assert answer.code == 2
    assert "its header is no .npy header" in answer.err


def test_a_broken_archive_member(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(50))
    numpy.savez_compressed(lab.folder / "board.npz", t=feature_map(50))
    content = bytearray((lab.folder / "board.npz").read_bytes())
    content[100:140] = bytes(40)
    lab.write("board.npz", bytes(content))
    answer = lab.diff(board="board.npz")
    assert answer.code == 2
    assert "board.npz[t.npy]: cannot be read: the archive is broken" in answer.err


def test_other_shapes_in_other_frames(lab: Lab) -> None:
    for side in ("ref", "board"):
        lab.save(f"{side}/frame_0/t.npy", [1.0])
        lab.save(f"{side}/frame_1/t.npy", [1.0, 2.0])
    answer = lab.diff()
    assert answer.code == 2
    assert "t: has other shapes in other frames: [1] in frame 0, [2] in frame 1" in answer.err


@pytest.mark.parametrize("group", ["scores=1:4-83", "t@scores=1:4-83", "scores=3:0"])
def test_a_group_that_fits_into_nothing(lab: Lab, group: str) -> None:
    lab.save("ref/t.npy", feature_map(1, 5, 7))
    lab.save("board/t.npy", feature_map(1, 5, 7))
    answer = lab.diff("--group", group)
    assert answer.code == 2
    assert "scores does not fit into t of [1, 5, 7]" in answer.err
