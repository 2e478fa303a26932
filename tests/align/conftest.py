"""The command in a folder of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from deploykit.align.element_types import Array
from deploykit.align.main import main


@dataclass(frozen=True)
class Answer:
    """What the command gave."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON of `--format json`."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def tensor(self, name: str) -> dict[str, Any]:
        """One tensor of the JSON."""
        found: dict[str, Any] = next(item for item in self.result["tensors"] if item["name"] == name)
        return found


@dataclass(frozen=True)
class Lab:
    """A folder with a reference in `ref/` and a board's dump in `board/`."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def save(self, file: str, values: object, dtype: str = "float32") -> Path:
        """Write a `.npy`, or raw bytes for any other ending."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        array = numpy.asarray(values, dtype)
        if path.suffix == ".npy":
            numpy.save(path, array)
        else:
            path.write_bytes(array.tobytes())
        return path

    def write(self, file: str, content: bytes | str) -> Path:
        """Write any file."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def diff(self, *options: str, reference: str = "ref", board: str = "board") -> Answer:
        """Run the command on the two."""
        self.capture.readouterr()
        code = main([str(self.folder / reference), str(self.folder / board), *options])
        captured = self.capture.readouterr()
        return Answer(code, captured.out, captured.err)


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    """A new folder."""
    return Lab(tmp_path, capsys)


def feature_map(*shape: int, seed: int = 0) -> Array:
    """Numbers without any symmetry."""
    return numpy.random.default_rng(seed).standard_normal(shape).astype(numpy.float32)
