from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.tasks import TASKS, data_files, make_task, task_class, task_options

X = InputContract("x", (1, 2))


def test_kinds_are_sorted_and_lead_to_dataclasses() -> None:
    assert list(TASKS) == sorted(TASKS)
    for kind in TASKS:
        assert dataclasses.is_dataclass(task_class(kind))


def test_file_options_are_options() -> None:
    for kind, entry in TASKS.items():
        assert set(entry.file_options) <= {field.name for field in task_options(kind)}


def test_the_context_is_no_option() -> None:
    assert [field.name for field in task_options("random")] == ["seed", "clip_frames"]


def test_importing_the_nouns_loads_no_task() -> None:
    heavy = ("PIL", "pydantic", "onnx")
    code = f"import sys, deploykit.tasks.protocol; print([name for name in {heavy} if name in sys.modules])"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_all_faults_of_the_options_at_once() -> None:
    with pytest.raises(InputError) as caught:
        make_task("random", {"sed": 1, "clip_frames": 0, "seed": "x"}, {"net": (X,)}, Path())

    found = sorted(str(fault) for fault in caught.value.faults)
    assert len(found) == 3
    assert found[0].startswith("task.clip_frames: ")
    assert found[1] == "task.sed: random has no such option, did you mean 'seed'?"
    assert found[2].startswith("task.seed: ")


def test_context_cannot_be_given_as_an_option() -> None:
    with pytest.raises(InputError, match=r"task\.context: random has no such option"):
        make_task("random", {"context": {}}, {"net": (X,)}, Path())


def test_an_unknown_kind() -> None:
    with pytest.raises(InputError, match=r"task\.kind: there is no task 'randon', did you mean 'random'\?"):
        make_task("randon", {}, {}, Path())


def test_faults_of_the_contracts_are_told_too() -> None:
    odd = InputContract("x", (1, 2, 4, 4), "NCHW", colour="rgb")

    with pytest.raises(InputError, match=r"networks\.net\.io\.x: colour rgb has 3 channel\(s\), the shape 2"):
        make_task("random", {}, {"net": (odd,)}, Path())


def test_data_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "net").mkdir(parents=True)
    np.save(tmp_path / "data" / "net" / "a.npy", np.zeros(1))
    np.save(tmp_path / "data" / "b.npy", np.zeros(1))

    found = data_files("arrays", {"path": "data"}, folder=tmp_path)

    assert [name for name, _ in found] == ["data/b.npy", "data/net/a.npy"]
    assert all(path.is_file() for _, path in found)


def test_data_files_of_a_function_and_of_noise(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")

    assert data_files("function", {"data": "mine:clips"}, folder=tmp_path) == (
        ("mine:clips", tmp_path / "mine.py"),
    )
    assert data_files("function", {"data": "no_such_module:clips"}, folder=tmp_path) == ()
    assert data_files("random", {"seed": 1}, folder=tmp_path) == ()
