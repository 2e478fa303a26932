"""`deploykit assess` through the real command line."""

from __future__ import annotations

import json
from typing import Any

import onnx.parser
import pytest

FREE = """<ir_version: 8, opset_import: ["" : 17]>
free (float[N,3,H,8] image) => (float[N,4,H,8] heat) <float[4,3,1,1] w = {1,1,1,1,1,1,1,1,1,1,1,1}>
{ heat = Conv(image, w) }"""


@pytest.fixture
def free(shell: Any) -> Any:
    onnx.save(onnx.parser.parse_model(FREE), shell.folder / "free.onnx")
    return shell


def test_the_answer_fits_a_hundred_columns_and_ranks(shell: Any) -> None:
    answer = shell.command("assess", "toy.onnx@100", "--chips", "rk3588,orin-nx", "--orders", "500")
    assert answer.code == 0, answer.err
    assert max(len(line.rstrip()) for line in answer.out.splitlines()) <= 100
    assert answer.out.index("1. orin-nx") < answer.out.index("2. rk3588")
    for words in ("holds toy at 100/s", "w8a8", "float16", "float16"):
        assert words in answer.out


def test_json_holds_the_same_and_what_follows_from_it(shell: Any) -> None:
    answer = shell.command(
        "assess", "toy.onnx", "--no-simplify", "--chips", "rk3588", "--advice", "--format", "json"
    )
    chip = json.loads(answer.out)["chips"][0]
    assert chip["chip"] == "rk3588"
    assert chip["fits"] is None  # nobody knows the size of the board's memory
    network = chip["networks"][0]
    # a 1x1 convolution of 3 into 4 channels over 8 x 8
    assert network["coverage"]["macs"] == 768
    figures = network["figures"][0]
    assert figures["runs_per_s"] == pytest.approx(1 / figures["time_s"])
    # of three engines of 2.048 Tops/s
    assert figures["utilisation"] == pytest.approx(2 * 768 / (figures["time_s"] * 3 * 2.048e12))
    assert chip["dram_bytes"] == figures["memory"]["dram_bytes"]
    for item in network["advice"]:
        assert item["gain_share"] == pytest.approx(1 - item["after_s"] / item["before_s"])


def test_bindings_stand_side_by_side(free: Any) -> None:
    answer = free.command(
        "assess", "free.onnx", "--no-simplify", "--chips", "rk3588", "--bind", "N=1,H=8", "--bind", "N=6,H=8"
    )
    assert answer.code == 0, answer.err
    assert "free N=1 H=8" in answer.out
    assert "free N=6 H=8" in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("free.onnx",), "sizes are free: N, H; bind each: N=SIZE,H=SIZE"),
        (("free.onnx", "--bind", "N=1,H=8,M=2"), "--bind M=2: no model has a free size of this name"),
        (("free.onnx", "--bind", "N=1,H=8,imge=1x3x8x8"), "no model has an input of this name, did you mean"),
        (("free.onnx", "--bind", "image=1x4x8x8"), "axis 1 is 3 in the model and cannot be 4"),
        (("free.onnx", "--bind", "image=1x3x8x8,N=2"), "axis 0 is the free size 'N', which is 2 elsewhere"),
        (("free.onnx", "--bind", "N"), "'N' is not of the form NAME=SIZE"),
        (("free.onnx", "--bind", "N=1,N=2"), "N is given twice"),
        (("toy.onnx@0",), "0 is no rate"),
        (("none.onnx",), "there is no such file"),
        (("toy.onnx", "--scheme", "w9"), "npu has no w9; it has w8a8, float16"),
    ],
)
def test_bad_input_is_told(free: Any, words: tuple[str, ...], told: str) -> None:
    answer = free.command("assess", *words, "--no-simplify", "--chips", "rk3588")
    assert answer.code == 2
    assert told in answer.err


def test_every_unknown_chip_is_told(shell: Any) -> None:
    answer = shell.command("assess", "toy.onnx", "--chips", "rk3587,orin-mx")
    assert answer.code == 2
    assert "rk3588" in answer.err
    assert "orin-nx" in answer.err


def test_a_whole_shape_binds_an_input_and_a_prefix_one_model(free: Any) -> None:
    (free.folder / "other.onnx").write_bytes((free.folder / "free.onnx").read_bytes())
    words = ("assess", "--no-simplify", "free.onnx", "other.onnx", "--chips", "rk3588", "--format", "json")
    answer = free.command(*words, "--bind", "free:image=1x3x8x8,other:N=2,other:H=4")
    assert answer.code == 0, answer.err
    networks = json.loads(answer.out)["chips"][0]["networks"]
    assert [network["sizes"] for network in networks] == [[["N", 1], ["H", 8]], [["N", 2], ["H", 4]]]
    assert [network["coverage"]["macs"] for network in networks] == [768, 768]


def test_a_loop_needs_to_know_how_often(shell: Any) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    looped (int64 n, bool go, float[4] x) => (float[4] y) {
        y = Loop(n, go, x) <body = b (int64 i, bool c, float[4] a) => (bool d, float[4] e) {
            d = Identity(c)  e = Neg(a) }> }"""
    onnx.save(onnx.parser.parse_model(text), shell.folder / "looped.onnx")
    words = ("assess", "looped.onnx", "--no-simplify", "--chips", "rk3588")
    assert "nobody knows how often Loop runs" in shell.command(*words).err
    assert shell.command(*words, "--trips", "y=10").code == 0
    assert "no model has such a loop" in shell.command(*words, "--trips", "z=10").err
    assert "not of the form NODE=COUNT" in shell.command(*words, "--trips", "y").err
