"""The one-file build, run by a Python that sees numpy and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from tools.build_output_diff import build

BARE = "import runpy, sys; sys.path.append(sys.argv[1]); sys.argv[:2] = []; runpy.run_path(sys.argv[0], run_name='__main__')"

VALUES = numpy.arange(24, dtype=numpy.float32).reshape(1, 3, 2, 4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, in a folder that has numpy and a reference beside it."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "site").mkdir()
    packages = Path(numpy.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        if (packages / name).is_dir():
            (folder / "site" / name).symlink_to(packages / name)
    numpy.save(folder / "ref.npy", VALUES)
    build(folder / "output_diff.pyz")
    return folder / "output_diff.pyz"


def run(built: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "-c", BARE, str(built.parent / "site"), str(built), *words]
    return subprocess.run(
        command, cwd=built.parent, capture_output=True, text=True, check=False, env={**os.environ}
    )


def test_it_compares_with_numpy_alone(built: Path) -> None:
    VALUES.transpose(0, 2, 3, 1).astype(numpy.float16).tofile(built.parent / "board.bin")
    right = run(built, "ref.npy", "board.bin", "--contract", "*:layout=NHWC,dtype=fp16")
    wrong = run(built, "ref.npy", "board.bin", "--contract", "*:dtype=fp16")
    assert (right.returncode, right.stderr) == (0, "")
    assert "MATCH: 1 compared" in right.stdout
    assert (wrong.returncode, wrong.stderr) == (1, "")


def test_nothing_else_is_there(built: Path) -> None:
    """The bare Python of these tests sees neither onnx nor pydantic."""
    look = "import sys, importlib.util as u; sys.path.append(sys.argv[1]); print([n for n in ('numpy', 'onnx', 'pydantic', 'click', 'deploykit') if u.find_spec(n)])"
    command = [sys.executable, "-I", "-S", "-c", look, str(built.parent / "site")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "['numpy']\n"


def test_bad_input_has_its_exit_code(built: Path) -> None:
    answer = run(built, "ref.npy", "nothing")
    assert answer.returncode == 2
    assert "nothing: does not exist" in answer.stderr


def test_help(built: Path) -> None:
    assert run(built, "--help").stdout.startswith("Usage: deploykit diff")


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build(tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == built.read_bytes()
