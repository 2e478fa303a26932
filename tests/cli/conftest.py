"""A small pipeline in a folder of its own, run through the real command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx.parser
import pytest

from deploykit.cli.main import run

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
toy (float[1,3,8,8] image, float[1,4,8,8] memory) => (float[1,4,8,8] next_memory, float[1,4,8,8] heat)
<float[4,3,1,1] weight = {0.5,-0.25,0.125,1,0.75,-0.5,0.25,0.5,-1,0.3,0.2,0.1}, float half = {0.5}>
{
  [stem] features = Conv(image, weight)
  [act] active = HardSwish(features)
  [old] faded = Mul(memory, half)
  [fuse] next_memory = Add(active, faded)
  [head] heat = Sigmoid(next_memory)
}
"""

PIPELINE = """
name: toy
chip: rk3588
task: {kind: random, clip_frames: 3}
networks:
  toy:
    source: toy.onnx
    io:
      image: {shape: [1, 3, 8, 8], layout: NCHW, raw_dtype: uint8, colour: rgb, scale: [0.00392156862745098]}
    clips: {proof: 1, calibration: 2, dump: 1}
    export:
      state: [{output: next_memory, input: memory}]
schedule:
  rates: {toy: {rate_hz: 20}}
"""


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder with `toy.yaml` and `toy.onnx`, and the command line in it."""

    folder: Path
    command: Callable[..., Answer]

    @property
    def pipeline(self) -> Path:
        return self.folder / "toy.yaml"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    onnx.save(onnx.parser.parse_model(MODEL), tmp_path / "toy.onnx")
    (tmp_path / "toy.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)

    def command(*words: object) -> Answer:
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return Shell(tmp_path, command)
