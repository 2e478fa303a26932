"""nncase without the toolchain: what is refused before the compiler would end at it, and what is told after."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy
import pytest
from onnx import parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.toolchains.frame_files import read_frame, write_frame
from deploykit.toolchains.nncase import capabilities, check, compile, parse_report, simulate
from deploykit.toolchains.plan_files import SegmentPlan
from deploykit.toolchains.protocol import Compiled, Environment, Job

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,4,4] images) => (float[1,2,4,4] active, float[1,2,1,1] mean)
<float[2,2,1,1] weight = {1, -1, 0.5, 2}>
{
  [stem_Conv] features = Conv(images, weight)
  [stem_Relu] active = Relu(features)
  [pool] mean = GlobalAveragePool(active)
}
"""
EIGHT: dict[str, Scheme] = {"features": "w8a8", "active": "w8a8", "mean": "float16"}

TOOL = """#!/usr/bin/env python3
import json, pathlib, sys
request = json.loads(pathlib.Path(sys.argv[3]).read_text())
{body}
pathlib.Path(sys.argv[4]).write_text("{{}}")
"""
"""In place of the environment's Python: `-I driver.py REQUEST ANSWER`."""


def segment(text: str = NET) -> Segment:
    model = OnnxModel(parser.parse_model(text), "net")
    infer_shapes(model)
    return Segment("net", (), summarise(model), "npu", "test")


def environment(folder: Path, body: str) -> Environment:
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / "venv/lib/python3.11/site-packages").mkdir(parents=True)
    python.write_text(TOOL.format(body=body))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return Environment(folder, python)


def job(folder: Path, schemes: dict[str, Scheme] = EIGHT, **options: str) -> Job:
    calibration, own = folder / "calibration", folder / "job"
    calibration.mkdir()
    own.mkdir()
    write_frame(calibration / "0000.npz", {"images": numpy.zeros((1, 2, 4, 4), numpy.float32)})
    whole = segment()
    plan = SegmentPlan(whole, schemes, ())
    return Job("net", whole, folder / "net.onnx", None, plan, "k230", calibration, own, options)


def test_a_grid_sample_is_refused_before_the_compiler_ends_at_it() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[1,2,4,4] x, float[1,4,4,2] grid) => (float[1,2,4,4] y) { [warp] y = GridSample(x, grid) }
    """
    faults = [str(fault) for fault in check(segment(text), chip="k230", schemes={"y": "w8a8"})]
    assert faults == [
        "segment 'net', node 'warp' (GridSample): the compiler ends with an unhandled .NET exception; leave it to "
        "the CPU"
    ]


def test_two_integer_schemes_and_none_are_refused() -> None:
    both: dict[str, Scheme] = {"features": "w8a8", "active": "w8a16"}
    (fault,) = check(segment(), chip="k230", schemes=both)
    assert "w8a16 and w8a8 stand side by side" in str(fault)
    (fault,) = check(segment(), chip="k230", schemes={})
    assert "no layer is in integers" in str(fault)
    four: dict[str, Scheme] = {"features": "w4a16"}
    (fault,) = check(segment(), chip="k230", schemes=four)
    assert str(fault) == "segment 'net': the KPU has no w4a16 in nncase: stem_Conv; nncase offers w8a8, w8a16"


def test_an_unknown_chip_is_refused() -> None:
    (fault,) = check(segment(), chip="k210", schemes=EIGHT)
    assert "nncase has no chip 'k210', did you mean 'k230'" in str(fault)


def test_the_request_holds_the_plans_types_and_the_notice_what_stays_open(tmp_path: Path) -> None:
    body = "pathlib.Path(request['kmodel']).write_bytes(b'kmodel')"
    asked = job(tmp_path)
    done = compile(asked, environment(tmp_path / "nncase", body))
    request = json.loads((asked.folder / "compile.request.json").read_text())
    assert (request["activations"], request["weights"]) == ("uint8", "uint8")
    assert request["inputs"] == ["images"]
    assert done.files == (asked.folder / "net.kmodel",)
    assert done.notices == (
        "nncase chooses the types of single layers by itself, float was planned for: pool",
    )
    assert done.report.time_s is None


def test_sixteen_bit_activations_keep_eight_bit_weights(tmp_path: Path) -> None:
    schemes: dict[str, Scheme] = dict.fromkeys(("features", "active", "mean"), "w8a16")
    asked = job(tmp_path, schemes)
    compile(asked, environment(tmp_path / "nncase", "pass"))
    request = json.loads((asked.folder / "compile.request.json").read_text())
    assert (request["activations"], request["weights"]) == ("int16", "uint8")


def test_an_abort_says_how_it_ended_and_what_to_do(tmp_path: Path) -> None:
    body = "print('Unhandled exception. System.NotSupportedException', flush=True); import os; os.abort()"
    with pytest.raises(InputError) as raised:
        compile(job(tmp_path), environment(tmp_path / "nncase", body))
    assert "ended by SIGABRT; the compiler cannot do an operator of this segment" in str(raised.value)


def test_every_wrong_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        compile(job(tmp_path, metod="Kld", method="mse"), environment(tmp_path / "nncase", "pass"))
    assert [fault.where for fault in raised.value.faults] == [
        "compile.options.metod",
        "compile.options.method",
    ]


def test_results_come_under_our_names_in_our_shapes(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    write_frame(frames / "0000.npz", {"images": numpy.zeros((1, 2, 4, 4), numpy.float32)})
    asked = job(tmp_path)
    results = asked.folder / "results"
    results.mkdir()
    outputs = {
        "output0": numpy.ones((2, 4, 4), numpy.float32),
        "output1": numpy.full((1, 2), 3, numpy.float32),
    }
    write_frame(results / "0000.npz", outputs)
    compiled = Compiled((tmp_path / "net.kmodel",), parse_report(""))
    done = simulate(asked, compiled, frames, environment(tmp_path / "nncase", "pass"))
    found = read_frame(done.frames / "0000.npz")
    assert found["active"].shape == (1, 2, 4, 4)
    assert found["mean"].ravel().tolist() == [3, 3]
    assert not done.layers


def test_it_offers_no_layer_dumps() -> None:
    assert not capabilities().dumps_layers
    assert capabilities().chips == {"k230": ("w8a8", "w8a16")}


def test_operators_that_the_importer_has_no_case_for_are_refused() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[1,2,4,4] x) => (float[1,2,4,4] y)
    <float[4] scale = {1, 1, 1, 1}>
    { [norm] n = LayerNormalization<axis = -1>(x, scale) [inverse] y = Reciprocal(n) }
    """
    faults = [str(fault) for fault in check(segment(text), chip="k230", schemes={"n": "w8a8"})]
    assert faults == [
        "segment 'net', node 'norm' (LayerNormalization): nncase has no such operator; leave it to the CPU",
        "segment 'net', node 'inverse' (Reciprocal): nncase has no such operator; leave it to the CPU",
    ]
