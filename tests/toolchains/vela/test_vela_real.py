"""The real compiler and simulator, where they are installed."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
import pytest
from onnx import numpy_helper, parser

from benchmarks.quantization import plan_of
from benchmarks.quantization_small import exported
from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan, Scheme
from deploykit.core.runtime import open_session, run_session
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Array, Clip
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import environment_of, installed, toolchain_root
from deploykit.toolchains.frame_files import read_frame, write_frame
from deploykit.toolchains.jobs import make_job

vela = load_toolchain("vela")
pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(installed("vela", toolchain_root()) is None, reason="vela is not installed"),
]

DIGITS = Path(__file__).parents[3] / "benchmarks" / "digits.onnx"


def quantized(
    source: Path, scheme: Scheme, frames: list[dict[str, Array]], workspace: Workspace
) -> tuple[Partition, PrecisionPlan, Partition]:
    network = exported(source, workspace)
    plan, _ = plan_of(network, scheme)
    clips = [Clip("calibration", tuple(frames))]
    return network, plan, quantize(network, plan, clips, params=QuantizeParams(), workspace=workspace)


def through_vela(
    source: Path, scheme: Scheme, chip: str, frames: list[dict[str, Array]], folder: Path
) -> tuple[list[dict[str, Array]], list[dict[str, Array]], CompileReport]:
    """Give each frame's outputs of the simulator and of the QDQ file, and the report."""
    workspace = Workspace(Store(folder / "store"))
    network, plan, result = quantized(source, scheme, frames, workspace)
    environment = environment_of("vela", toolchain_root())
    job = make_job(
        network.segments[0],
        plan,
        result,
        workspace,
        chip=chip,
        calibration=folder,
        folder=folder / "job",
        options={},
        time_limit_s=300.0,
    )
    compiled = vela.compile(job, environment)
    fed = folder / "frames"
    fed.mkdir()
    for at, frame in enumerate(frames):
        write_frame(fed / f"{at:04d}.npz", frame)
    simulated = vela.simulate(job, compiled, fed, environment)
    assert job.quantized is not None
    session = open_session(job.quantized, name="qdq")
    names = list(network.outputs)
    expected = [
        dict(zip(names, run_session(session, dict(frame), names, name="qdq"), strict=True))
        for frame in frames
    ]
    found = [read_frame(simulated.frames / f"{at:04d}.npz") for at in range(len(frames))]
    return found, expected, compiled.report


def sqnr_db(found: Array, expected: Array) -> float:
    error = ((found - expected) ** 2).sum()
    return float(10 * numpy.log10((expected**2).sum() / max(error, 1e-30)))


@pytest.mark.parametrize(("scheme", "least_db"), [("w8a8", 30.0), ("w8a16", 60.0)])
@pytest.mark.parametrize("chip", ["ethos-u55-256", "ethos-u65-512", "ethos-u85-512"])
def test_digits_come_out_as_in_the_quantized_network(
    scheme: Scheme, least_db: float, chip: str, tmp_path: Path
) -> None:
    random = numpy.random.default_rng(0)
    frames = [{"x": random.random((1, 1, 8, 8), numpy.float32)} for _ in range(4)]
    found, expected, report = through_vela(DIGITS, scheme, chip, frames, tmp_path)
    for ours, theirs in zip(found, expected, strict=True):
        assert sqnr_db(ours["scores"], theirs["scores"]) > least_db
    assert report.cycles
    assert not any(layer.fallback for layer in report.layers)


MIXED = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2,3,17,18] x) => (float[2,16,10,10] y)
<float[4] scales = {1, 1, 2, 2}, float three = {3}>
{
  [stem] a = Conv<kernel_shape=[7,7], strides=[4,4], pads=[3,3,3,3]>(x, w0)
  [swish] b = HardSwish(a)
  [grouped] c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], group=2>(b, w1)
  [divide] d = Div(c, three)
  [pool] p = MaxPool<kernel_shape=[3,3], strides=[1,1], pads=[1,1,1,1]>(d)
  [mean] g = GlobalAveragePool(p)
  [gate] s = HardSigmoid<alpha=0.16666667, beta=0.5>(g)
  [scaled] m = Mul(p, s)
  [up] u = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(m, , scales)
  [turn] t = Transpose<perm=[0,1,3,2]>(u)
  [back] v = Transpose<perm=[0,1,3,2]>(t)
  [mix] y = Conv<kernel_shape=[1,1]>(v, w2)
}
"""


def test_a_net_of_many_operators_comes_out_as_quantized(tmp_path: Path) -> None:
    random = numpy.random.default_rng(1)
    model = parser.parse_model(MIXED)
    for name, shape in (("w0", (8, 3, 7, 7)), ("w1", (8, 4, 3, 3)), ("w2", (16, 8, 1, 1))):
        values = random.standard_normal(shape) / numpy.sqrt(numpy.prod(shape[1:]))
        model.graph.initializer.append(numpy_helper.from_array(values.astype(numpy.float32), name))
    source = tmp_path / "net.onnx"
    onnx.save(model, str(source))
    frames = [{"x": random.standard_normal((2, 3, 17, 18)).astype(numpy.float32)} for _ in range(3)]
    found, expected, report = through_vela(source, "w8a8", "ethos-u65-512", frames, tmp_path)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["y"].shape == theirs["y"].shape
        assert sqnr_db(ours["y"], theirs["y"]) > 20.0
    assert any("2 times a frame" in notice for notice in report.notices)
