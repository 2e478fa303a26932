"""The real compiler and emulator, where they are installed."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from benchmarks.quantization import plan_of
from benchmarks.quantization_small import exported
from deploykit.artifacts.precision import Scheme
from deploykit.core.runtime import open_session, run_session
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import environment_of, installed, toolchain_root
from deploykit.toolchains.frame_files import read_frame, write_frame
from deploykit.toolchains.jobs import make_job

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(installed("qnn", toolchain_root()) is None, reason="qnn is not installed"),
]

DIGITS = Path(__file__).parents[3] / "benchmarks" / "digits.onnx"


@pytest.mark.parametrize(("scheme", "least_db"), [("w8a8", 30.0), ("w8a16", 60.0)])
def test_digits_come_out_as_in_the_quantized_network(scheme: Scheme, least_db: float, tmp_path: Path) -> None:
    qnn, environment = load_toolchain("qnn"), environment_of("qnn", toolchain_root())
    workspace = Workspace(Store(tmp_path / "store"))
    random = numpy.random.default_rng(0)
    frames = [{"x": random.random((1, 1, 8, 8), numpy.float32)} for _ in range(3)]
    network = exported(DIGITS, workspace)
    plan, _ = plan_of(network, scheme)
    clips = [Clip("calibration", tuple(frames))]
    result = quantize(network, plan, clips, params=QuantizeParams(), workspace=workspace)
    job = make_job(
        network.segments[0],
        plan,
        result,
        workspace,
        chip="htp-v73",
        calibration=tmp_path,
        folder=tmp_path / "job",
        options={},
        time_limit_s=300.0,
    )
    compiled = qnn.compile(job, environment)
    assert any(layer.engine == "HTP" for layer in compiled.report.layers)
    fed = tmp_path / "frames"
    fed.mkdir()
    for at, frame in enumerate(frames):
        write_frame(fed / f"{at:04d}.npz", frame)
    simulated = qnn.simulate(job, compiled, fed, environment, tensors=["r3"])
    assert job.quantized is not None
    session = open_session(job.quantized, name="qdq")
    for at, frame in enumerate(frames):
        found = read_frame(simulated.frames / f"{at:04d}.npz")
        (expected,) = run_session(session, dict(frame), ["scores"], name="qdq")
        error = ((found["scores"] - expected) ** 2).sum()
        assert 10 * numpy.log10((expected**2).sum() / error) > least_db
        assert found["r3"].shape == (1, 32, 4, 4)
