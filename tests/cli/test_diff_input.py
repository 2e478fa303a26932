"""`deploykit diff-input`: the contract comes from the pipeline, the values from files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

PIPELINE = """
name: eyes
chip: rk3588
task: {kind: random}
networks:
  eye:
    source: eye.onnx
    io:
      image: {shape: [1, 3, 8, 12], layout: NCHW, raw_dtype: uint8, colour: rgb, mean: [128], scale: [0.0078125]}
      speed: {shape: [1, 1]}
"""


def test_a_board_with_the_channels_turned(shell: Shell) -> None:
    (shell.folder / "eyes.yaml").write_text(PIPELINE)
    frame = numpy.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(numpy.uint8)
    numpy.save(shell.folder / "frame.npy", frame)
    right = ((frame.astype(numpy.float32) - 128) / 128).transpose(2, 0, 1)[None]
    (shell.folder / "board.bin").write_bytes(right.tobytes())
    arguments = ("diff-input", "eyes.yaml", "frame.npy", "board.bin")
    answer = shell.command(*arguments)
    assert answer.code == 0, answer.err
    assert (
        answer.out == "networks.eye.io.image: the board's input is what the contract says, 0 apart at most\n"
    )

    (shell.folder / "board.bin").write_bytes(right[:, ::-1].tobytes())
    answer = shell.command(*arguments, "--format", "json")
    assert answer.code == 1
    (finding,) = json.loads(answer.out)["findings"]
    assert (finding["kind"], finding["line"]) == ("colour", "colour: bgr")
    assert "\n    colour: bgr\n" in shell.command(*arguments).out


def test_what_is_wrong_is_said(shell: Shell) -> None:
    (shell.folder / "eyes.yaml").write_text(PIPELINE)
    numpy.save(shell.folder / "frame.npy", numpy.zeros((8, 12, 3), numpy.uint8))
    (shell.folder / "board.bin").write_bytes(bytes(7))
    wrong = shell.command("diff-input", "eyes.yaml", "frame.npy", "board.bin")
    assert wrong.code == 2
    assert "board.bin: 7 bytes for 288 values of [1, 3, 8, 12]" in wrong.err
    named = shell.command("diff-input", "eyes.yaml", "frame.npy", "board.bin", "--input", "imag")
    assert "there is no input 'imag', did you mean 'image'?" in named.err
    lost = shell.command("diff-input", "eyes.yaml", "frame.npy", "none.npy")
    assert "none.npy: cannot be read as .npy" in lost.err
