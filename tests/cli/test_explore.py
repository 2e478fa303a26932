"""`deploykit explore` through the real command line."""

from __future__ import annotations

import json
import re
from typing import Any

import onnx.parser

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
free (float[batch,3,8,8] image) => (float[batch,4,8,8] heat)
<float[4,3,1,1] weight = {0.5,-0.25,0.125,1,0.75,-0.5,0.25,0.5,-1,0.3,0.2,0.1}>
{
  [stem] features = Conv(image, weight)
  [head] heat = Sigmoid(features)
}
"""


def _charts(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_the_page_has_a_point_for_each_combination(shell: Any) -> None:
    onnx.save(onnx.parser.parse_model(MODEL), shell.folder / "free.onnx")
    (shell.folder / "times.csv").write_text("node,latency_ms,chip\nstem,0.5,rk3588\nheat,0.25,\n")
    answer = shell.command(
        *("explore", "free.onnx", "--chips", "rk3588,ax650n", "--axis", "batch=1,6"),
        *("--measured", "times.csv", "-o", "page.html"),
    )
    assert answer.code == 0, answer.err
    charts = _charts((shell.folder / "page.html").read_text())
    assert charts["axes"][0] == ["rk3588", "ax650n"]
    assert charts["axes"][2] == ["1", "6"]
    macs = {tuple(point["place"]): point["nodes"]["cells"][0][1][1] for point in charts["points"]}
    assert macs[0, 0, 0] == 64 * 12
    assert macs[1, 0, 1] == 6 * 64 * 12
    # 2 x 768 operations and nothing else in 0.5 ms
    measured = {tuple(point["place"]): point["nodes"]["measured_y"] for point in charts["points"]}
    assert measured[0, 0, 0][0] == 2 * 64 * 12 / 0.5e-3
    assert measured[1, 0, 0][0] is None


def test_every_fault_of_the_axes_is_told(shell: Any) -> None:
    words = ("explore", "toy.onnx", "--chips", "rk3588", "-o", "page.html")
    answer = shell.command(*words, "--axis", "batch", "--axis", "h=0", "--axis", "w=1", "--axis", "w=2")
    assert answer.code == 2
    assert answer.err.count("is not of the form NAME=SIZE,SIZE") == 2
    assert "w is given twice" in answer.err
    assert "the model has no free size of this name" in shell.command(*words, "--axis", "batch=1").err


def test_every_fault_of_the_measurements_is_told_with_its_line(shell: Any) -> None:
    (shell.folder / "times.csv").write_text(
        "node,latency_ms,chip\nsten,1,\nstem,-1,\nstem,1,rk358\nstem,1\nstem,2,\nstem,2,\n"
    )
    answer = shell.command(
        "explore", "toy.onnx", "--chips", "rk3588", "--measured", "times.csv", "-o", "page.html"
    )
    assert answer.code == 2
    for words in (
        "times.csv:2: no node 'sten', did you mean 'stem'?",
        "times.csv:3: '-1' is no latency in milliseconds",
        "times.csv:4: no chip 'rk358', did you mean 'rk3588'?",
        "times.csv:5: 2 cells where the first line has 3 columns",
        "times.csv:7: is the second row of this node",
    ):
        assert words in answer.err
    assert not (shell.folder / "page.html").exists()
