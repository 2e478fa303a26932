"""The page of a comparison: what it says, and that a browser draws it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy
import pytest

from deploykit.cli.main import run

SHAPE = (1, 4, 12, 20)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Three tensors over four frames: one good, one with a stale frame, one equal vector; one is missing."""
    random = numpy.random.default_rng(0)
    for frame in range(4):
        good, bad, vector = (random.standard_normal(shape).astype("f") for shape in (SHAPE, SHAPE, (50,)))
        stale = bad if frame != 2 else numpy.zeros_like(bad)
        noisy = good + random.standard_normal(SHAPE).astype("f") * 1e-3
        for side, tensors in {
            "reference": {"good": good, "ba<d>": bad, "vector": vector, "lost": vector},
            "board": {"good": noisy, "ba<d>": stale, "vector": vector},
        }.items():
            folder = tmp_path / side / f"{frame:03d}"
            folder.mkdir(parents=True)
            for name, values in tensors.items():
                numpy.save(folder / f"{name}.npy", values)
    file = tmp_path / "page.html"
    code = run(["diff", str(tmp_path / "reference"), str(tmp_path / "board"), "--page", str(file)])
    assert code == 1
    return file


def _charts(file: Path) -> Any:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', file.read_text())
    assert found is not None
    return json.loads(found[1])


def test_the_data_are_those_of_the_comparison(page: Path) -> None:
    charts = _charts(page)
    assert charts["depth"]["passed"].count(False) == 1
    assert charts["depth"]["y"].count(None) == 1  # the vector is equal
    bad = charts["depth"]["passed"].index(False)
    levels = charts["clip"]["rows"][bad]
    assert charts["clip"]["frames"] == [0, 1, 2, 3]
    assert levels[2] == 0.0  # all of it is gone: the noise is the signal
    picture = charts["pictures"][charts["depth"]["picture"][bad]]
    assert picture["maps"]["title"].endswith("12 x 20")
    assert {value for row in picture["maps"]["board"] for value in row} == {0}
    assert picture["channels"] == [0.0] * 4
    lines = [item["is_line"] for item in charts["pictures"]]
    assert lines.count(True) == 1


def test_what_is_not_compared_is_said_and_names_are_escaped(page: Path) -> None:
    text = page.read_text()
    assert re.search(r"missing: <span class=\"name\">lost</span>", text)
    assert "ba<d>" not in text


def test_a_judged_result_has_a_page_without_pictures(tmp_path: Path, page: Path) -> None:
    result, again = tmp_path / "result.json", tmp_path / "again.html"
    run(["diff", str(tmp_path / "reference"), str(tmp_path / "board"), "-o", str(result)])
    run(["diff", "--judge", str(result), "--tolerance", "*:cosine>=0", "--page", str(again)])
    assert _charts(again)["pictures"] == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")
def test_a_browser_draws_it_without_an_error(page: Path, tmp_path: Path) -> None:
    switches = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    switches += " --disable-sync --disable-component-update --virtual-time-budget=8000"
    switches += " --enable-logging=stderr --v=0 --dump-dom"
    address = page.as_uri() + "#picture-1"
    command = ["chromium", *switches.split(), f"--user-data-dir={tmp_path / 'profile'}", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert 'data-picture="1" data-drawn="yes"' in done.stdout
    assert "CONSOLE" not in done.stderr


def test_what_clips_steps_and_layers_have_shown(page: Path, tmp_path: Path) -> None:
    board, between = tmp_path / "board", tmp_path / "reference"
    arguments = ["diff", str(tmp_path / "reference"), str(board), "--page", str(page), "--no-diagnosis"]
    for frame in (1, 3):  # three of four frames show the first one
        shutil.copy(board / "000" / "good.npy", board / f"{frame:03d}" / "good.npy")
    shutil.copy(board / "000" / "good.npy", board / "002" / "good.npy")
    assert run([*arguments, "--between", f"float16={between}"]) == 1
    text = re.sub(r"<[^>]*>", "", page.read_text())
    assert "Over time: frozen at good: the board shows the first frame in all frames" in text
    assert "The step that broke: float16 -&gt; board: 2 of 3 tensors miss their limits" in text
