"""The command from dumps to verdict."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.align.contract import Contract, as_yaml, encode
from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def test_a_board_in_its_own_layout_matches(lab: Lab) -> None:
    values = feature_map(1, 19, 7, 9)
    contract = Contract(
        (1, 19, 7, 9),
        "int8",
        layout="NC1HWC2",
        channel_block=16,
        row_pitch_bytes=160,
        scale=(0.03,),
        zero_point=(4,),
    )
    lab.save("ref/t.npy", values)
    lab.write("board/t.bin", encode(values, contract))
    declared = "t:layout=NC1HWC2,channel_block=16,dtype=int8,row_pitch_bytes=160,scale=0.03,zero_point=4"
    answer = lab.diff("--contract", declared, "--format", "json")
    assert answer.code == 0
    assert answer.tensor("t")["measures"]["max_abs"] < 0.0151  # half a step
    assert "row_pitch_bytes: 160" in answer.tensor("t")["contract"]


def test_what_was_taken_for_granted_is_said(lab: Lab) -> None:
    values = feature_map(1, 3, 5, 6)
    lab.save("ref/t.npy", values)
    lab.save("board/t.bin", values)
    answer = lab.diff()
    assert answer.code == 0
    assert "no contract given: read as float in the reference's own order" in answer.out


def test_measures_are_judged_again_without_the_tensors(lab: Lab) -> None:
    values = feature_map(40)
    lab.save("ref/t.npy", values)
    lab.save("board/t.npy", values * 1.05)  # SQNR 20 log10(20) = 26.0 dB
    result = str(lab.folder / "result.json")
    assert lab.diff("-o", result).code == 0
    (lab.folder / "board/t.npy").unlink()
    from deploykit.align.main import main

    assert main(["--judge", result, "--tolerance", "*:sqnr_db>=26"]) == 0
    assert main(["--judge", result, "--tolerance", "*:sqnr_db>=26.1"]) == 1
    assert "sqnr_db 26.02, at least 26.1 wanted" in lab.capture.readouterr().out


def test_a_group_has_measures_of_its_own(lab: Lab) -> None:
    """All scores zero beside large boxes: the whole looks fine, the group does not."""
    values = numpy.concatenate([feature_map(1, 4, 50) * 300, feature_map(1, 80, 50) * 0.1], axis=1)
    board = values.copy()
    board[:, 4:] = 0.0
    lab.save("ref/out.npy", values)
    lab.save("board/out.npy", board)
    assert lab.diff().code == 0
    answer = lab.diff("--group", "boxes=1:0-3", "--group", "out@scores=1:4-", "--format", "json")
    assert answer.code == 1
    assert answer.tensor("out:boxes")["passed"]
    assert answer.tensor("out:scores")["shape"] == [1, 80, 50]
    assert answer.tensor("out:scores")["measures"]["relative_l2"] == 1.0


def test_names_by_map_by_pattern_and_by_safe_name(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/head_x.npy", [2.0])
    lab.save("ref/blk-1.npy", [3.0])
    lab.save("board/first.npy", [1.0])
    lab.save("board/out_x.npy", [2.0])
    lab.save("board/_blk_1.npy", [3.0])
    lab.write("names.txt", "# ours theirs\na first\n")
    answer = lab.diff("--map", str(lab.folder / "names.txt"), "--pattern", "head_*=out_*", "--format", "json")
    assert answer.code == 0
    assert {item["name"]: item["board_name"] for item in answer.result["tensors"]} == {
        "a": "first",
        "head_x": "out_x",
        "blk-1": "_blk_1",
    }


def test_one_board_tensor_for_two_is_refused(lab: Lab) -> None:
    lab.save("ref/a.npy", [1.0])
    lab.save("ref/b.npy", [1.0])
    lab.save("board/b.npy", [1.0])
    answer = lab.diff("--map", "a=b")
    assert answer.code == 2
    assert "'b' of the board is paired with 'a', 'b'" in answer.err.replace("'b', 'a'", "'a', 'b'")


def test_the_first_divergence_needs_an_order(lab: Lab) -> None:
    for name, error in (("z", 0.01), ("y", 0.5), ("a", 0.6)):
        lab.save(f"ref/{name}.npy", [1.0, 1.0])
        lab.save(f"board/{name}.npy", [1.0 + error, 1.0 - error])
    assert "the order of the layers is not known" in lab.diff().out
    lab.write("order.txt", "z\ny\na\n")
    answer = lab.diff("--order", str(lab.folder / "order.txt"))
    assert "first divergence: y: the relative error rises from 0.01 in z to 0.5" in answer.out


def test_frames_in_one_raw_file(lab: Lab) -> None:
    values = feature_map(3, 2, 4)
    for frame in range(3):
        lab.save(f"ref/frame_{frame}/t.npy", values[frame])
    lab.save("board/t.bin", values)
    answer = lab.diff("--format", "json")
    assert answer.code == 0
    assert answer.tensor("t")["frames"] == [0, 1, 2]


def test_the_worst_frame_is_named(lab: Lab) -> None:
    for frame in (5, 6):
        lab.save(f"ref/frame_{frame}/t.npy", [3.0, 4.0])
        lab.save(f"board/frame_{frame}/t.npy", [3.0, 4.0 - (frame - 5)])
    answer = lab.diff("--tolerance", "*:max_abs<=0.5")
    assert "greatest absolute difference 1 at [1] of frame 6 (at most 0.5 allowed)" in answer.out
    assert "worst frame 6: SQNR 14.0 dB" in answer.out  # 20 log10(5)


def test_details(lab: Lab) -> None:
    lab.save("ref/t.npy", [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    lab.save("board/t.bin", [[[1, 2, 3], [4, 6, 127]]], "int8")
    answer = lab.diff(
        "--contract", "t:dtype=int8,scale=1", "--details", "--format", "json", "--tolerance", "*:max_rel<=30"
    )
    measures = answer.tensor("t")["measures"]
    details = answer.tensor("t")["details"]["by_frame"][0]
    assert measures["max_rel"] == pytest.approx(121 / 6)
    assert measures["mean_rel"] == pytest.approx((121 / 6 + 1 / 5) / 6)
    assert details["steps"] == {"0": 4, "1": 1, "2..4": 0, "5..16": 0, "17..": 1}
    assert measures["saturated"] == pytest.approx(1 / 6)
    assert measures["top1"] == 1.0  # along the channels, which are two
    assert "top5" not in measures
    assert details["sqnr_db_by_channel"][0] == math.inf
    assert details["sqnr_db_by_channel"][1] == pytest.approx(10 * math.log10(77 / (1 + 121**2)))
    assert answer.code == 0


def test_top_k_goes_along_the_channels(lab: Lab) -> None:
    """Four pixels, the largest of three channels differs at one."""
    lab.save("ref/t.npy", [[[[1, 1], [1, 5]], [[2, 2], [2, 2]], [[0, 3], [0, 0]]]])
    lab.save("board/t.npy", [[[[1, 1], [1, 5]], [[2, 2], [2, 2]], [[3, 3], [0, 0]]]])
    assert lab.diff("--details", "--format", "json").tensor("t")["measures"]["top1"] == 0.75


def test_top_k_of_a_batch(lab: Lab) -> None:
    lab.save("ref/t.npy", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    lab.save("board/t.npy", [[9, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    measures = lab.diff("--details", "--format", "json").tensor("t")["measures"]
    assert (measures["top1"], measures["top5"]) == (0.5, 0.9)


def test_quantiles_are_within_a_percent(lab: Lab) -> None:
    values = feature_map(20_000)
    board = values + feature_map(20_000, seed=1) * 0.1
    lab.save("ref/t.npy", values)
    lab.save("board/t.npy", board)
    measures = lab.diff("--details", "--format", "json").tensor("t")["measures"]
    distance = abs(board.astype(float) - values)
    for name, share in (("p50_abs", 0.5), ("p90_abs", 0.9), ("p99_abs", 0.99)):
        assert measures[name] == pytest.approx(numpy.quantile(distance, share), rel=0.01)


def test_one_unit_in_the_last_place(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0, 2.0, 3.0])
    lab.save("board/t.npy", numpy.nextafter(numpy.array([1.0, 2.0, 3.0], numpy.float32), numpy.float32(9)))
    details = lab.diff("--details", "--format", "json").tensor("t")["details"]["by_frame"][0]
    assert details["steps_of"] == "ULP of float"
    assert details["steps"]["1"] == 3


def test_text_is_plain_and_fits_a_hundred_columns(lab: Lab) -> None:
    name = "backbone_stage3_block17_conv_depthwise_activation_hardswish_output"
    lab.save(f"ref/{name}.npy", feature_map(1, 3, 5, 6))
    lab.save(f"board/{name}.npy", -feature_map(1, 3, 5, 6))
    answer = lab.diff()
    lines = [line for line in answer.out.splitlines() if str(lab.folder) not in line]
    assert max(map(len, lines)) <= 100
    assert answer.out.isascii()


def test_values_at_odd_addresses(lab: Lab) -> None:
    values = feature_map(1, 3, 50, 70)
    contract = Contract((1, 3, 50, 70), header_bytes=3, row_pitch_bytes=283)
    lab.save("ref/t.npy", values)
    lab.write("board/t.bin", encode(values, contract))
    answer = lab.diff("--contract", "t:header_bytes=3,row_pitch_bytes=283", "--tolerance", "*:bit_exact>=1")
    assert answer.code == 0, answer.out


def test_a_row_a_layer_of_a_real_simulator_run(lab: Lab) -> None:
    """RKNN's own table gives the cosines of these dumps: gs 0.99630, r1 0.99637, output 0.99733."""
    golden = os.environ.get("DEPLOYKIT_GOLDEN")
    if not golden:
        pytest.skip("DEPLOYKIT_GOLDEN is not set")
    folder = f"{golden}/dumps/rknn_bev"
    answer = lab.diff("--format", "json", reference=f"{folder}/golden", board=f"{folder}/simulator")
    assert answer.code == 0
    assert len(answer.result["tensors"]) == 11
    for name, cosine in (("r0", 0.99992), ("gs", 0.99630), ("r1", 0.99637), ("output", 0.99733)):
        assert answer.tensor(name)["measures"]["cosine"] == pytest.approx(cosine, abs=6e-6)
    assert answer.result["first_divergence"] == "gs"


def test_a_scale_alone_says_nothing_of_the_order(lab: Lab) -> None:
    values = numpy.arange(90).reshape(1, 3, 5, 6)
    lab.save("ref/t.npy", values * 0.5)
    lab.save("board/t.npy", values.transpose(0, 2, 3, 1), "int8")
    answer = lab.diff("--contract", "t:scale=0.5")
    assert answer.code == 2
    assert "has the shape [1, 5, 6, 3], the reference [1, 3, 5, 6]; that is layout: NHWC" in answer.err
    assert lab.diff("--contract", "t:scale=0.5,layout=NHWC", "--tolerance", "*:max_abs<=0").code == 0


def test_an_array_says_its_byte_order_itself(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0, 2.0])
    lab.save("board/t.npy", [2, 4], ">i2")
    assert lab.diff("--contract", "t:scale=0.5", "--tolerance", "*:max_abs<=0").code == 0


def test_frames_of_the_reference_in_one_raw_file(lab: Lab) -> None:
    values = feature_map(3, 2, 4)
    lab.save("ref/t.bin", values)
    for frame in range(3):
        lab.save(f"board/frame_{frame}/t.npy", values[frame])
    answer = lab.diff("--reference-contract", "t:shape=2x4,dtype=float", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.tensor("t")["frames"] == [0, 1, 2]


def test_names_with_brackets_fit_themselves(lab: Lab) -> None:
    lab.save("ref/out[0]:1.npy", [1.0])
    lab.save("board/out[0]:1.npy", [1.0])
    assert lab.diff("--tolerance", "out[0]:1:max_abs<=0", "--format", "json").tensor("out[0]:1")["passed"]


def test_the_place_of_a_group_counts_within_it(lab: Lab) -> None:
    for frame in range(3):
        values = numpy.zeros((1, 6, 4))
        lab.save(f"ref/frame_{frame}/t.npy", values)
        values[0, 4, 1] = frame
        lab.save(f"board/frame_{frame}/t.npy", values)
    answer = lab.diff("--group", "tail=1:3-", "--format", "json", "--tolerance", "*:max_abs<=2")
    assert answer.tensor("t")["max_abs_index"] == [2, 0, 4, 1]
    assert answer.tensor("t:tail")["max_abs_index"] == [2, 0, 1, 1]


def test_the_lines_of_a_diagnosis_go_into_a_file(lab: Lab) -> None:
    values = feature_map(1, 5, 6, 7)
    contract = Contract(
        (1, 5, 6, 7), "int8", layout="NHWC", scale=(0.02, 0.03, 0.04, 0.05, 0.06), zero_point=(3,)
    )
    lab.save("ref/t.npy", values)
    lab.save("ref/u.npy", values)
    lab.write("board/t.bin", encode(values, contract))
    lab.save("board/u.bin", values, "float16")
    lines = "".join(f"  {line}\n" for line in as_yaml(contract).splitlines())
    lab.write("board.yaml", f"# how the board writes\nt:\n{lines}u:dtype=float16\n")
    answer = lab.diff("--contract", f"@{lab.folder / 'board.yaml'}", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.tensor("t")["contract"] == as_yaml(contract)


def test_a_fault_in_a_file_has_its_line(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    lab.write("limits.txt", "# limits\n\n*:sqnr_db>=twenty\n")
    answer = lab.diff("--tolerance", f"@{lab.folder / 'limits.txt'}")
    assert answer.code == 2
    assert "limits.txt:3: 'twenty' is no number" in answer.err
