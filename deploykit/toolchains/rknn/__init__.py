"""Rockchip RKNN-Toolkit2: the compiler and simulator of RK3588, RK3576, RK3566/8, RK3562, RV1106, RV1126B.

The simulator models the arithmetic, not the silicon: all chips give the same values in one precision. Only
the session that built a network can simulate it, so that each simulation builds again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault
from deploykit.toolchains.driver_run import run_driver
from deploykit.toolchains.frame_files import rewrite_frames
from deploykit.toolchains.protocol import (
    Compiled,
    Environment,
    Job,
    Licence,
    Recipe,
    Simulated,
)
from deploykit.toolchains.rknn import report, request
from deploykit.toolchains.rknn.names import dumped_tensors, with_tensors
from deploykit.toolchains.rknn.operators import capabilities, check_segment

__all__ = ["capabilities", "check", "compile", "name", "parse_report", "recipe", "simulate", "version"]

name = "rknn"
recipe: Recipe | None = Recipe(
    version="2.5.0",
    python=("3.11", "3.12"),
    steps=(
        (
            "numpy==1.26.4",
            "onnx==1.18.0",
            "onnxruntime==1.26.0",
            "protobuf==4.25.4",
            "psutil==7.2.2",
            "ruamel.yaml==0.19.1",
            "scipy==1.17.1",
            "tqdm==4.70.1",
            "opencv-python-headless==4.11.0.86",
            "fast-histogram==0.14",
            "flatbuffers==25.12.19",
            "packaging==26.4",
            "typing_extensions==4.16.0",
            "setuptools<81",
        ),
    ),
    bare=("rknn-toolkit2==2.5.0",),
    licence=Licence(
        "RKNN SDK License",
        "https://github.com/airockchip/rknn-toolkit2/blob/master/LICENSE",
        "for designing, developing and testing applications for Rockchip's products only; no reverse "
        "engineering, no redistribution.",
    ),
    size_bytes=700_000_000,
    torch_placeholder=True,
)

DRIVER = Path(__file__).with_name("driver.py")

HINTS = {
    "buffer overflow!!!": "the compiler overruns its own buffer on this chip and precision: choose another "
    "scheme (`precision:`)",
    "not support in": "see `deploykit toolchain list` for the chips and their precisions",
}


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Name operators, shapes and schemes that the compiler would refuse."""
    return check_segment(segment, chip=chip, schemes=schemes)


def version(environment: Environment) -> str:
    """Ask the installed toolkit for its version."""
    answer, _ = run_driver(
        DRIVER,
        {"action": "version"},
        environment,
        where="toolchain rknn",
        folder=environment.folder,
        label="version",
        time_limit_s=120.0,
    )
    return str(answer["version"])


def compile(job: Job, environment: Environment) -> Compiled:
    """Build with our plan: layers and ranges go in as the configuration of hybrid quantization."""
    asked = request.build_request(job)
    notices: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    if request.wants_two_steps(job):
        _run(job, environment, {**asked, "action": "step1"}, "step1")
        notices = request.fill_in(job)
        asked["step1"] = request.step1_files(job)
        more = tuple(asked["step1"].values())
    file = job.folder / f"{job.name}.rknn"
    _, text = _run(job, environment, {**asked, "action": "build", "export": str(file)}, "build")
    files = (file, *(job.folder / name for name in more))
    if asked["auto_hybrid"] and asked["dtype"] is not None:
        files += request.keep_calibration(job)
    return Compiled(files, with_tensors(parse_report(text), job.segment.graph), notices)


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Build again as `compile` did, and run the frames; layers come from the toolkit's own analysis."""
    del compiled
    asked = request.build_request(job)
    if request.wants_two_steps(job):
        asked["step1"] = request.step1_files(job)
    elif asked["dtype"] is not None and job.calibration is None:
        request.unpack_calibration(job)
    results, golden = job.folder / "simulated", job.folder / "golden"
    more = {"frames": str(frames), "results": str(results), "golden": str(golden), "layers": bool(tensors)}
    answer, _ = _run(job, environment, {**asked, "action": "build", **more}, "simulate")
    found, others = dumped_tensors(answer["names"], job.segment.graph)
    wanted = {*job.segment.graph.outputs, *(name for name in found if name in tensors)}
    kept = {name: found.get(name, name) for name in wanted}
    known, outputs = job.segment.graph.tensor, job.segment.graph.outputs
    others |= rewrite_frames(results, kept, known, needed=outputs, where=f"rknn, segment {job.name!r}")
    if tensors:
        rewrite_frames(golden, kept, known, needed=(), where=f"rknn, segment {job.name!r}")
    return Simulated(results, bool(tensors), others, golden if tensors else None)


def parse_report(text: str) -> CompileReport:
    """Read the compiler's verbose log."""
    return report.parse_report(text)


def _run(
    job: Job, environment: Environment, asked: Mapping[str, object], label: str
) -> tuple[dict[str, Any], str]:
    return run_driver(
        DRIVER,
        asked,
        environment,
        where=f"rknn, segment {job.name!r}, chip {job.chip}",
        folder=job.folder,
        label=label,
        time_limit_s=job.time_limit_s,
        hints=HINTS,
    )
