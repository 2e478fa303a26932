"""The command over several frames: from files to the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from deploykit.align.contract import Contract, encode
from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab

FRAMES = 10
VALUES = feature_map(FRAMES, 1, 6, 5, 7)


def test_a_late_board_in_its_own_layout(lab: Lab) -> None:
    contract = Contract((1, 6, 5, 7), "int8", layout="NHWC", scale=(0.04,), zero_point=(3,))
    for frame in range(FRAMES):
        lab.save(f"ref/frame_{frame}/t.npy", VALUES[frame])
        lab.write(f"board/frame_{frame}/t.bin", encode(VALUES[max(frame - 1, 0)], contract))
    declared = "t:layout=NHWC,dtype=int8,scale=0.04,zero_point=3"
    answer = lab.diff("--contract", declared, "--no-diagnosis", "--format", "json")
    assert answer.code == 1
    (found,) = answer.result["over_time"]
    assert (found["kind"], found["tensor"], found["evidence"]) == ("lag", "t", {"frames": 1})
    text = lab.diff("--contract", declared, "--no-diagnosis").out
    assert "t: lag: the board is 1 frame late: board(t) = reference(t - 1) [100 % of the frames" in text


def test_frames_that_are_missing_in_the_middle_are_said(lab: Lab) -> None:
    for frame in range(FRAMES):
        lab.save(f"ref/frame_{frame}/t.npy", VALUES[frame])
        if frame not in (4, 5):
            lab.save(f"board/frame_{frame}/t.npy", VALUES[frame])
    answer = lab.diff()
    assert answer.code == 4
    assert "incomplete t: frames 4, 5 are on one side only (2 in all)" in answer.out
    assert "over time" not in answer.out


def test_clips_have_to_add_up(lab: Lab) -> None:
    lab.save("ref/t.npy", VALUES)
    lab.save("board/t.npy", VALUES)
    for frame in range(FRAMES):
        lab.save(f"ref2/frame_{frame}/t.npy", VALUES[frame])
        lab.save(f"board2/frame_{frame}/t.npy", VALUES[(frame + 5) % FRAMES])
    answer = lab.diff("--clips", "5,6", reference="ref2", board="board2")
    assert answer.code == 2
    assert "--clips: adds up to 11 frames, the reference has 10" in answer.err
    answer = lab.diff("--clips", "5,5", "--format", "json", reference="ref2", board="board2")
    assert answer.result["over_time"][0]["kind"] == "clip_order"


def test_a_board_that_follows_the_run_without_state(lab: Lab) -> None:
    state = numpy.cumsum(VALUES, axis=0) - VALUES
    for frame in range(FRAMES):
        lab.save(f"ref/frame_{frame}/t.npy", VALUES[frame] + state[frame])
        lab.save(f"board/frame_{frame}/t.npy", VALUES[frame] * 1.001)
        lab.save(f"other/frame_{frame}/t.npy", VALUES[frame])
    other = str(lab.folder / "other")
    answer = lab.diff("--reference-stateless", other, "--no-diagnosis", "--format", "json")
    assert answer.result["over_time"][0]["kind"] == "state_never_updated"


def test_one_array_holds_all_frames(lab: Lab) -> None:
    lab.save("ref/t.npy", VALUES)
    lab.save("board/t.npy", VALUES[[0, 1, 2, 3, 4, 4, 6, 7, 8, 9]])
    (found,) = lab.diff("--clips", "10", "--format", "json").result["over_time"]
    assert (found["kind"], found["frames"]) == ("stale", [5])
    assert lab.diff("--format", "json").result["over_time"] == []  # without --clips it is one tensor
    wrong = lab.diff("--clips", "4,4")
    assert wrong.code == 2
    assert "t.npy: has the shape [10, 1, 6, 5, 7]; --clips says that 8 frames stand" in wrong.err
