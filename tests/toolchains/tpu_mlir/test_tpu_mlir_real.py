"""The real compiler, interpreter and cmodel, where they are installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import numpy_helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session, run_session
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import environment_of, installed, toolchain_root
from deploykit.toolchains.frame_files import read_frame, write_frame
from deploykit.toolchains.plan_files import SegmentPlan
from deploykit.toolchains.protocol import Job

tpu_mlir = load_toolchain("tpu-mlir")
pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(installed("tpu-mlir", toolchain_root()) is None, reason="tpu-mlir is not installed"),
]

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,16,16] images) => (float[1,4,16,16] heat, float[1,4,1,1] mean)
<float[4,2,1,1] weight = {1, -1, 0.5, 0.25, 2, 1, -0.5, 1}>
{
  [stem_Conv] features = Conv(images, weight)
  [stem_Relu] active = Relu(features)
  [mix_Conv] mixed = Conv<pads = [1,1,1,1]>(active, mixing)
  [gate] heat = Sigmoid(mixed)
  [pool] mean = GlobalAveragePool(mixed)
}
"""
SCHEMES: dict[str, Scheme] = {
    "features": "w8a8",
    "active": "w8a8",
    "mixed": "w8a8",
    "heat": "w8a8",
    "mean": "float16",
}
ENCODINGS = (
    Encoding("images", "activation", "int8", (4 / 127,), (0,)),
    Encoding("active", "activation", "int8", (8 / 255,), (-128,)),
    Encoding("mixed", "activation", "int8", (8 / 127,), (0,)),
    Encoding("heat", "activation", "int8", (1 / 255,), (-128,)),
)


def job(folder: Path, schemes: Mapping[str, Scheme], options: Mapping[str, str]) -> Job:
    rng = numpy.random.default_rng(0)
    proto = parser.parse_model(NET)
    mixing = rng.normal(scale=0.3, size=(4, 4, 3, 3)).astype(numpy.float32)
    proto.graph.initializer.append(numpy_helper.from_array(mixing, "mixing"))
    model = OnnxModel(proto, "net")
    infer_shapes(model)
    onnx.save(proto, folder / "net.onnx")
    calibration, own = folder / "calibration", folder / "job"
    calibration.mkdir()
    own.mkdir()
    for at in range(3):
        frame = {"images": rng.normal(size=(1, 2, 16, 16)).astype(numpy.float32)}
        write_frame(calibration / f"{at:04d}.npz", frame)
    segment = Segment("net", (), summarise(model), "npu", "test")
    plan = SegmentPlan(segment, schemes, ENCODINGS)
    return Job("net", segment, folder / "net.onnx", None, plan, "bm1684x", calibration, own, options)


def cosines(asked: Job, frames: Path, names: tuple[str, ...]) -> dict[str, float]:
    assert asked.calibration is not None
    session = open_session(asked.model, name="net")
    outputs = list(asked.segment.graph.outputs)
    found = {}
    for name in names:
        pairs = []
        for file in sorted(frames.glob("*.npz")):
            expected = run_session(session, read_frame(asked.calibration / file.name), outputs, name="net")
            pairs.append((expected[outputs.index(name)].ravel(), read_frame(file)[name].ravel()))
        first, second = (numpy.concatenate(side).astype(float) for side in zip(*pairs, strict=True))
        found[name] = float(first @ second / numpy.linalg.norm(first) / numpy.linalg.norm(second))
    return found


def test_our_plan_is_compiled_checked_in_the_cmodel_and_dumped(tmp_path: Path) -> None:
    asked = job(tmp_path, SCHEMES, {"check": "layers"})
    environment = environment_of("tpu-mlir", toolchain_root())
    compiled = tpu_mlir.compile(asked, environment)
    assert compiled.report.cycles == sum(layer.cycles or 0 for layer in compiled.report.layers)
    assert compiled.report.time_s is not None
    assert any("cosine 1.0000" in notice or "cosine 0.9999" in notice for notice in compiled.notices)
    assert any(notice.startswith("bmodel_checker: every operation") for notice in compiled.notices)
    assert asked.calibration is not None
    tensors = ("features", "active", "mixed", "heat", "mean")
    done = tpu_mlir.simulate(asked, compiled, asked.calibration, environment, tensors=tensors)
    first: dict[str, Any] = read_frame(done.frames / "0000.npz")
    assert set(first) == {"active", "mixed", "heat", "mean"}  # `features` became one operation with its Relu
    assert min(cosines(asked, done.frames, ("heat", "mean")).values()) > 0.999


def test_float16_is_nearer_than_eight_bits(tmp_path: Path) -> None:
    schemes: dict[str, Scheme] = dict.fromkeys(SCHEMES, "float16")
    asked = job(tmp_path, schemes, {"check": "none"})
    environment = environment_of("tpu-mlir", toolchain_root())
    compiled = tpu_mlir.compile(asked, environment)
    assert asked.calibration is not None
    done = tpu_mlir.simulate(asked, compiled, asked.calibration, environment)
    assert min(cosines(asked, done.frames, ("heat", "mean")).values()) > 0.99999


def test_a_model_that_cannot_be_read_ends_with_the_tools_last_lines(tmp_path: Path) -> None:
    asked = job(tmp_path, SCHEMES, {})
    asked.model.write_bytes(b"no model")
    with pytest.raises(InputError, match="model_transform: ended with code 1"):
        tpu_mlir.compile(asked, environment_of("tpu-mlir", toolchain_root()))
