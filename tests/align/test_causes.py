"""What a failing tensor's diagnosis adds to the result; it never turns a mismatch into a match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from deploykit.align.contract import Contract, encode
from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def test_a_wrong_layout_is_named_with_its_line(lab: Lab) -> None:
    values = feature_map(1, 8, 12, 20)
    lab.save("ref/t.npy", values)
    lab.write("board/t.bin", encode(values, Contract((1, 8, 12, 20), "float16", layout="NHWC")))
    answer = lab.diff("--contract", "t:dtype=float16", "--format", "json")
    assert answer.code == 1
    (cause,) = answer.tensor("t")["causes"]
    assert cause["fix"] == "layout: NHWC"
    assert answer.tensor("t")["diagnosis"]["verdict"] == "named"
    assert lab.diff("--contract", "t:dtype=float16,layout=NHWC").code == 0


def test_it_can_be_left_out(lab: Lab) -> None:
    lab.save("ref/t.npy", feature_map(1, 8, 12, 20))
    lab.save("board/t.npy", -feature_map(1, 8, 12, 20))
    assert lab.diff("--no-diagnosis", "--format", "json").tensor("t")["diagnosis"] == {}


def test_a_frame_that_is_another_is_named(lab: Lab) -> None:
    for frame in range(3):
        lab.save(f"ref/frame_{frame}/t.npy", feature_map(1, 4, 9, 11, seed=frame))
        shown = 1 if frame == 2 else frame
        lab.save(f"board/frame_{frame}/t.npy", feature_map(1, 4, 9, 11, seed=shown))
    answer = lab.diff("--format", "json")
    assert answer.code == 1
    assert answer.tensor("t")["diagnosis"]["frame"] == 2
    assert [cause["kind"] for cause in answer.tensor("t")["causes"]] == ["stale"]


def test_only_the_first_failing_tensors_are_diagnosed(lab: Lab) -> None:
    for number in range(10):
        lab.save(f"ref/t{number}.npy", feature_map(1, 4, 5, 6, seed=number))
        lab.save(f"board/t{number}.npy", 3 * feature_map(1, 4, 5, 6, seed=number))
    answer = lab.diff("--format", "json")
    assert sum(bool(item["diagnosis"]) for item in answer.result["tensors"]) == 8
    assert "only the first 8 of 10 failing tensors were diagnosed" in answer.result["notes"]


def test_what_cannot_be_diagnosed_still_fails(lab: Lab) -> None:
    lab.save("ref/scalar.npy", 1.0)
    lab.save("board/scalar.npy", 2.0)
    lab.save("ref/lost.npy", [numpy.nan, numpy.nan])
    lab.save("board/lost.npy", [1.0, 2.0])
    answer = lab.diff("--format", "json")
    assert answer.code == 1
    assert answer.tensor("lost")["diagnosis"] == {"verdict": "none: the reference holds no finite value"}
    assert answer.tensor("scalar")["passed"] is False
