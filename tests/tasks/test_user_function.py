from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError
from deploykit.tasks import make_task
from deploykit.tasks.protocol import Array, Frame, Task

X = InputContract("x", (2,))

SOURCE = """
import numpy as np

def clips(network, split):
    start = 0 if split == "calibration" else 100
    for index in range(3):
        frame = {"x": np.full(2, start + index, np.float32)}
        yield frame if index else [frame, frame]

def empty(network, split):
    return []

def nan(network, split):
    yield {"x": np.array([0, np.nan], np.float32)}

def judge(index, outputs):
    return {"sum": sum(float(frame["y"].sum()) for frame in outputs["net"]), "index": index}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_own_data.py").write_text(SOURCE)
    monkeypatch.syspath_prepend("")  # restores sys.path at the end
    monkeypatch.delitem(__import__("sys").modules, "my_own_data", raising=False)
    return tmp_path


def task(folder: Path, data: str = "my_own_data:clips", **options: Any) -> Task:
    return make_task("function", {"data": data, **options}, {"net": (X,)}, folder)


class Doubler:
    """A network that doubles its input, and counts how often it was reset."""

    resets = 0

    def reset(self) -> None:
        self.resets += 1

    def __call__(self, inputs: Frame) -> dict[str, Array]:
        return {"y": inputs["x"] * 2}


def test_the_functions_clips(folder: Path) -> None:
    clips = list(task(folder).calibration_clips("net", 2))

    assert [[frame["x"].tolist() for frame in clip.frames] for clip in clips] == [[[0, 0], [0, 0]], [[1, 1]]]
    (unseen,) = task(folder).validation_clips("net", 1)
    assert unseen.frames[0]["x"].tolist() == [100, 100]


def test_the_functions_metric(folder: Path) -> None:
    specs = [
        {"name": "sum", "unit": "", "better": "higher", "doc": "sum of y"},
        {"name": "index", "unit": "", "better": "none", "doc": "the clip"},
    ]
    made = task(folder, metric="my_own_data:judge", metrics=specs)
    network = Doubler()

    records = [made.evaluate_clip(index, {"net": network}) for index in (0, 2)]

    # clip 0: two frames of 2 x 100 doubled; clip 2: one frame of 2 x 102 doubled
    assert records == [{"sum": 800, "index": 0}, {"sum": 408, "index": 2}]
    assert made.summarise(records) == {"sum": 604, "index": 1}
    assert [spec.name for spec in made.metrics] == ["sum", "index"]
    assert network.resets == 2


def test_without_a_metric_nothing_is_judged(folder: Path) -> None:
    assert task(folder).metrics == ()
    assert task(folder).evaluate_clip(0, {"net": Doubler()}) == {}
    assert task(folder).summarise([{}]) == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("my_own_data:nothing", "cannot load my_own_data:nothing"),
        ("no_such_module_here:clips", "No module named 'no_such_module_here'"),
        ("my_own_data:empty", "the function gives no clip; yield at least one"),
        ("my_own_data:nan", r"clip 0: x: 1 of 2 values are NaN or infinite, the first at \(1,\)"),
    ],
)
def test_functions_that_do_not_serve(folder: Path, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(task(folder, data).calibration_clips("net", 1))


def test_a_name_has_to_have_a_module_and_a_function(folder: Path) -> None:
    with pytest.raises(InputError, match=r"task\.data: "):
        task(folder, "my_own_data.clips")


def test_metrics_and_function_have_to_agree(folder: Path) -> None:
    made = task(folder, metric="my_own_data:judge")

    with pytest.raises(InputError, match=r"it gives \['index', 'sum'\], the pipeline lists \[\]"):
        made.evaluate_clip(0, {"net": Doubler()})


def test_more_clips_than_there_are(folder: Path) -> None:
    made = task(folder, metric="my_own_data:judge")

    with pytest.raises(InputError, match=r"the function gives no clip 7; lower evaluate\.clips"):
        made.evaluate_clip(7, {"net": Doubler()})


def test_frames_are_arrays(folder: Path) -> None:
    (clip,) = task(folder).calibration_clips("net", 1)

    assert all(isinstance(frame["x"], np.ndarray) for frame in clip.frames)
