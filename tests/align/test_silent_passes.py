"""What other comparison tools let pass without a word does not pass here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def test_nan_where_the_reference_is_zero_fails(lab: Lab) -> None:
    lab.save("ref/t.npy", [0.0, 1.0, 2.0])
    lab.save("board/t.npy", [numpy.nan, 1.0, 2.0])
    answer = lab.diff()
    assert answer.code == 1
    assert "t: 1 places are NaN or infinite" in answer.out
    assert "1 nan of the board; the first at [0]" in answer.out


def test_infinity_fails_and_counts(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0, 2.0, 60_000.0])
    lab.save("board/t.npy", [1.0, 2.0, numpy.inf])
    answer = lab.diff("--format", "json")
    assert answer.code == 1
    assert answer.tensor("t")["nonfinite"]["inf_board"] == 1
    assert answer.tensor("t")["nonfinite_index"] == [0, 2]


def test_no_common_name_is_an_error(lab: Lab) -> None:
    lab.save("ref/out.npy", [1.0])
    lab.save("board/zzz.npy", [1.0])
    lab.save("board/yyy.npy", [1.0])
    answer = lab.diff()
    assert answer.code == 2
    assert "share no tensor name (1 against 2" in answer.err


def test_outputs_are_never_paired_by_position(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/out.npy", [1.0])
    lab.save("board/a.npy", [1.0])
    lab.save("board/zzz.npy", [1.0])
    answer = lab.diff("--format", "json")
    assert answer.code == 4
    assert {item["name"]: item["status"] for item in answer.result["tensors"]} == {
        "a": "compared",
        "out": "missing",
        "zzz": "extra",
    }


def test_a_missing_tensor_is_no_pass(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/b.npy", [1.0])
    lab.save("board/a.npy", [1.0])
    answer = lab.diff()
    assert answer.code == 4
    assert "missing b: the board dump has no such tensor" in answer.out
    assert "INCOMPLETE: 1 compared, 0 failed, 1 not or not wholly compared" in answer.out


def test_codes_do_not_wrap(lab: Lab) -> None:
    lab.save("ref/t.npy", [300.0, 1.0])
    lab.save("board/t.npy", [44, 1], "int8")
    answer = lab.diff("--format", "json")
    assert answer.code == 1
    assert answer.tensor("t")["measures"]["max_abs"] == 256.0


def test_every_tensor_of_a_deep_network_is_compared(lab: Lab) -> None:
    for number in range(450):
        lab.save(f"ref/layer_{number}.npy", [1.0, 2.0])
        lab.save(f"board/layer_{number}.npy", [1.0, -2.0] if number in (441, 447) else [1.0, 2.0])
    answer = lab.diff("--format", "json")
    assert answer.code == 1
    failed = [item["name"] for item in answer.result["tensors"] if item["passed"] is False]
    assert len(answer.result["tensors"]) == 450
    assert failed == ["layer_441", "layer_447"]


def test_large_whole_numbers_that_floats_cannot_tell_apart_differ(lab: Lab) -> None:
    lab.save("ref/t.npy", [2**53, 1], "int64")
    lab.save("board/t.npy", [2**53 + 1, 1], "int64")
    answer = lab.diff("--format", "json", "--tolerance", "*:max_abs<=0")
    assert answer.code == 1


def test_a_mismatch_goes_before_incomplete(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/b.npy", [1.0])
    lab.save("board/a.npy", [-1.0])
    assert lab.diff().code == 1


def test_a_nan_that_signals_is_a_nan(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0, 2.0])
    lab.save("board/t.bin", [0x3F800000, 0x7F800001], "uint32")
    lab.save("ref/half.npy", [1.0, 2.0])
    lab.save("board/half.bin", [0x3C00, 0x7C01], "uint16")
    answer = lab.diff("--contract", "half:dtype=float16", "--details", "--no-diagnosis")
    assert answer.code == 1
    assert answer.out.count("1 nan of the board; the first at [1]") == 2
