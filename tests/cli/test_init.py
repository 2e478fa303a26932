"""`deploykit init`: the pipeline that it writes runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest

FREE = """
<ir_version: 8, opset_import: ["" : 17]>
free (float[N,3,H,W] picture, int64[N,T] ids) => (float[N,4,H,W] heat, int64[N,T] same)
<float[4,3,1,1] weight = {0.5,-0.25,0.125,1,0.75,-0.5,0.25,0.5,-1,0.3,0.2,0.1}>
{
  heat = Conv(picture, weight)
  same = Identity(ids)
}
"""


def test_the_pipeline_of_a_model_with_state_runs(shell: Any) -> None:
    made = shell.command("init", "toy.onnx", "--chip", "rk3588", "--output", "mine.yaml")
    assert made.code == 0, made.err
    text = (shell.folder / "mine.yaml").read_text()
    assert "task: {kind: random}" in text
    answer = shell.command("run", "mine.yaml", "--workers", 1)
    assert answer.code == 0, answer.err
    assert "random data" in answer.out


def test_free_sizes_are_bound_and_told(shell: Any) -> None:
    onnx.save(onnx.parser.parse_model(FREE), shell.folder / "free.onnx")
    made = shell.command("init", "free.onnx", "--chip", "rk3588", "--shape", "picture=1x3x16x24")
    assert made.code == 0, made.err
    text = (shell.folder / "free.yaml").read_text()
    assert '"picture": [1, 3, 16, 24]  # in the file: N x 3 x H x W' in text
    assert '"ids": [1, 128]  # in the file: N x T' in text
    assert shell.command("run", "free.yaml", "--to", "compare", "--workers", 1).code == 0


def test_a_folder_of_arrays_becomes_the_data(shell: Any) -> None:
    folder = shell.folder / "frames"
    folder.mkdir()
    for index in range(4):
        np.savez(folder / f"{index}.npz", image=np.full((1, 3, 8, 8), index / 4, np.float32))
    shell.command("init", "toy.onnx", "--chip", "rk3588", "--data", "frames", "--output", "mine.yaml")
    assert 'task: {kind: arrays, path: "frames"}' in (shell.folder / "mine.yaml").read_text()
    answer = shell.command("run", "mine.yaml", "--to", "quantize", "--workers", 1)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("toy.onnx", "--chip", "rk3589"), "rk3588"),
        (("nothing.onnx", "--chip", "rk3588"), "no such file"),
        (("toy.yaml", "--chip", "rk3588"), "not an ONNX file"),
        (("toy.onnx", "--chip", "rk3588", "--shape", "imag=1x3x8x8"), "did you mean 'image'?"),
        (
            ("toy.onnx", "--chip", "rk3588", "--shape", "image=1x3x9x9"),
            "does not fit the file's 1 x 3 x 8 x 8",
        ),
        (("toy.onnx", "--chip", "rk3588", "--shape", "image"), "not of the form"),
        (("toy.onnx", "--chip", "rk3588", "--data", "nowhere"), "there is no such folder"),
        (("toy.onnx", "--chip", "rk3588", "--output", "toy.yaml"), "is there already"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(shell: Any, words: tuple[str, ...], expected: str) -> None:
    before = {path: path.read_bytes() for path in shell.folder.iterdir()}
    answer = shell.command("init", *words, *(() if "--output" in words else ("--output", "new.yaml")))
    assert answer.code == 2
    assert expected in answer.err
    assert {path: path.read_bytes() for path in Path(shell.folder).iterdir()} == before
