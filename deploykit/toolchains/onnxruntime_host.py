"""The reference toolchain: nothing is compiled, onnxruntime on this machine is the simulator."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import WEIGHT_BITS, Scheme
from deploykit.core.errors import Fault
from deploykit.toolchains.protocol import Capabilities, Compiled, Environment, Job, Recipe, Simulated

name = "reference"
recipe: Recipe | None = None

CHIP = "host"


def capabilities() -> Capabilities:
    """Say that this machine runs every ONNX operator in every scheme that a QDQ graph can hold."""
    schemes = tuple(WEIGHT_BITS)
    return Capabilities({CHIP: schemes}, {CHIP: schemes}, (), "onnxruntime's CPU provider has them all")


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Refuse nothing."""
    del segment, chip, schemes
    return ()


def version(environment: Environment) -> str:
    """Give onnxruntime's version."""
    del environment
    import onnxruntime  # type: ignore[import-untyped]  # it ships no types

    return str(onnxruntime.__version__)


def compile(job: Job, environment: Environment) -> Compiled:
    """Take the quantized file as it is, with external data beside it; without one, the float file."""
    del environment
    source = job.quantized or job.model
    for file in source.parent.iterdir():
        shutil.copyfile(file, job.folder / file.name)
    return Compiled((job.folder / source.name,), CompileReport())


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Run the frames in onnxruntime; inner tensors come out as their readers see them."""
    import numpy

    from deploykit.core.runtime import open_session, run_session
    from deploykit.toolchains.taps import write_tapped

    del environment
    model = compiled.files[0]
    if tensors:
        model = write_tapped(model, tensors, job.folder / "tapped")
    session = open_session(model, name=f"segment {job.name!r}")
    given = [value.name for value in session.get_outputs()]
    results = job.folder / "results"
    results.mkdir()
    for frame in sorted(frames.glob("*.npz")):
        with numpy.load(frame) as values:
            found = run_session(session, {name: values[name] for name in values.files}, given, name=job.name)
        numpy.savez(results / frame.name, **dict(zip(given, found, strict=True)))
    return Simulated(results, bool(tensors), {})


def parse_report(text: str) -> CompileReport:
    """Give an empty report: onnxruntime predicts nothing."""
    del text
    return CompileReport()
