"""Sophgo tpu-mlir: the compiler and simulator of BM1684X, BM1688, CV186X and their kin.

It compiles in two steps, and two things can be run: the lowered network (every operation quantized, in an
interpreter) and the bmodel (in the cmodel of the chip, bit for bit, a hundred times slower). A compilation
runs one frame through both and says how near they are; frames are simulated in the interpreter unless asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault, input_error
from deploykit.core.process import run_program
from deploykit.toolchains.protocol import (
    Capabilities,
    Compiled,
    Environment,
    Job,
    Licence,
    Recipe,
    Simulated,
)
from deploykit.toolchains.tpu_mlir import build, operators, report
from deploykit.toolchains.tpu_mlir.checks import check_bmodel
from deploykit.toolchains.tpu_mlir.names import with_tensors
from deploykit.toolchains.tpu_mlir.options import read_options
from deploykit.toolchains.tpu_mlir.simulation import run_frames

__all__ = ["capabilities", "check", "compile", "name", "parse_report", "recipe", "simulate", "version"]

name = "tpu-mlir"
recipe: Recipe | None = Recipe(
    version="1.30.2",
    python=("3.10",),
    steps=(
        (
            "numpy==1.26.4",
            "protobuf==3.20.3",
            "onnx==1.14.1",
            "onnxruntime==1.23.2",
            "onnxruntime_extensions==0.15.2",
            "onnxsim==0.4.36",
            "opencv-python-headless==4.11.0.86",
            "scipy==1.15.3",
            "pandas==2.3.3",
            "scikit-learn==1.7.2",
            "scikit-image==0.25.2",
            "plotly==7.1.0",
            "pillow==12.3.0",
            "graphviz==0.21",
            "psutil==7.2.2",
            "filelock==4.1.0",
            "tqdm==4.70.1",
            "six==1.17.0",
            "setuptools<81",
        ),
    ),
    bare=("tpu-mlir==1.30.2",),
    licence=Licence(
        "BSD 2-Clause, with closed backends of Sophgo in the package",
        "https://github.com/sophgo/tpu-mlir/blob/master/LICENSE",
        "the compiler is open source; the package brings Sophgo's binary backends and cmodels along, for "
        "working with Sophgo's chips.",
    ),
    size_bytes=1_900_000_000,
    torch_placeholder=True,
    set_aside=tuple(
        f"tpu_mlir/lib/third_party/{library}" for library in ("libc.so.6", "libm.so.6", "libpthread.so.0")
    ),
)


def capabilities() -> Capabilities:
    """Say what tpu-mlir can do; needs nothing installed."""
    return operators.capabilities()


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Name operators, shapes and schemes that the compiler would refuse."""
    return operators.check_segment(segment, chip=chip, schemes=schemes)


def version(environment: Environment) -> str:
    """Ask the compiler for its version ("1.30.2")."""
    program = build.package_of(environment) / "bin" / "tpuc-opt"
    done = run_program(
        [str(environment.python), "-I", "-c", "import importlib.metadata as m; print(m.version('tpu_mlir'))"],
        environment.folder,
        output=environment.folder / "version.log",
        time_limit_s=60.0,
    )
    if done.code != 0 or not program.is_file():
        raise input_error("toolchain tpu-mlir", f"no version: {done.how}", done.kept)
    return done.text().strip().splitlines()[-1]


def compile(job: Job, environment: Environment) -> Compiled:
    """Convert, take ranges and modes from the plan or the tool, compile, and check the bmodel.

    Raises:
        InputError: an unknown option, a step that failed, or a bmodel that computes something else than the
            lowered network.
    """
    options = read_options(job.options)
    operations = build.transform(job, environment)
    tables = build.write_plan(job, operations, options)
    if options.ranges == "own" or options.modes == "search":
        build.calibrate(job, environment, options)
    mode = {"plan": tables.mode, "search": "INT8"}.get(options.modes, options.modes)
    ranges = mode == "INT8" or (options.modes == "plan" and tables.has_integers)
    text = build.deploy(job, environment, options, mode, ranges=ranges)
    said = tables.notices if options.modes == "plan" else ()
    said = (*said, *check_bmodel(job, environment, options))
    files = (job.folder / build.BMODEL, *build.lowered_files(job.folder))
    return Compiled(files, with_tensors(parse_report(text), job.segment.graph), said)


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Run frames; inner tensors come from the lowered network's interpreter."""
    options = read_options(job.options)
    model = compiled.files[0] if options.simulator == "cmodel" else compiled.files[1]
    if tensors and options.simulator == "cmodel":
        raise input_error(
            f"tpu-mlir, segment {job.name!r}",
            "the cmodel shows outputs only",
            "`simulator: interpreter` for inner tensors; `check: layers` compares the two",
        )
    return run_frames(job, model, frames, environment, tensors=tensors)


def parse_report(text: str) -> CompileReport:
    """Read the compiler's report; needs nothing installed."""
    return report.parse_report(text)
