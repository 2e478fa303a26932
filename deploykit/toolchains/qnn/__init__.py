"""Qualcomm HTP through onnxruntime's QNN execution provider: compiled for v68 to v81, emulated here.

The wheel holds the compiler (libQnnHtp, libHtpPrepare): the context binary is the one that a device loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault, InputError
from deploykit.toolchains.driver_run import run_driver
from deploykit.toolchains.protocol import (
    Capabilities,
    Compiled,
    Environment,
    Job,
    Licence,
    Recipe,
    Simulated,
)
from deploykit.toolchains.qnn import support

__all__ = ["capabilities", "check", "compile", "name", "parse_report", "recipe", "simulate", "version"]

name = "qnn"
recipe: Recipe | None = Recipe(
    version="2.7.0",
    python=("3.11", "3.12", "3.13"),
    steps=(("onnxruntime-qnn==2.7.0", "onnxruntime==1.32.0", "numpy==2.4.6"),),
    licence=Licence(
        "MIT for the provider, Qualcomm AI Stack License for the libraries inside (libQnn*, libHtpPrepare)",
        "https://www.qualcomm.com/content/dam/qcomm-martech/dm-assets/documents/Qualcomm_AI_Stack_License.pdf",
        "the libraries serve to develop and benchmark your applications; no redistribution by themselves, no "
        "reverse engineering.",
    ),
    size_bytes=560_000_000,
)

DRIVER = Path(__file__).with_name("driver.py")

HINTS = {
    "was not selected by that EP": "HTP has no kernel for this node in this precision: choose another scheme "
    "(`precision:`), or leave it to the CPU (`split`)",
    "no node is for the HTP": "leave the segment to the CPU (`split`)",
}


def capabilities() -> Capabilities:
    """Give architectures and operators."""
    return support.capabilities()


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Name operators, shapes and schemes that HTP does not take."""
    return support.check_segment(segment, chip=chip, schemes=schemes)


def version(environment: Environment) -> str:
    """Ask the installed provider for its version."""
    answer, _ = run_driver(
        DRIVER,
        {"action": "version"},
        environment,
        where="toolchain qnn",
        folder=environment.folder,
        label="version",
        time_limit_s=120.0,
    )
    return str(answer["version"])


def compile(job: Job, environment: Environment) -> Compiled:
    """Compile the QDQ file, with unsigned activations, or the float one; gives the context and its source."""
    from onnx import load_model

    from deploykit.toolchains.qnn.report import describe
    from deploykit.toolchains.qnn.unsigned import write_unsigned

    faults = support.option_faults(job.options)
    if faults:
        raise InputError(*faults)
    source = write_unsigned(job.quantized or job.model, job.folder / f"{job.name}_qdq.onnx")
    context = job.folder / f"{job.name}_ctx.onnx"
    _run(job, environment, {"action": "compile", "model": str(source), "context": str(context)}, "compile")
    report = parse_report(describe(load_model(str(context))))
    return Compiled((context, source), report)


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Run the frames on the emulated HTP: the context; for inner tensors, the network compiled once more."""
    model = compiled.files[0]
    if tensors:
        from deploykit.toolchains.taps import write_tapped

        model = write_tapped(compiled.files[1], tensors, job.folder / "tapped")
    results = job.folder / "simulated"
    request = {"action": "simulate", "model": str(model), "frames": str(frames), "results": str(results)}
    _run(job, environment, request, "simulate")
    return Simulated(results, bool(tensors), {})


def parse_report(text: str) -> CompileReport:
    """Read the list of compiled nodes."""
    from deploykit.toolchains.qnn import report

    return report.parse_report(text)


def _run(job: Job, environment: Environment, request: Mapping[str, object], label: str) -> None:
    extra = {"arch": support.CHIPS[job.chip], "options": support.provider_options(job.options)}
    run_driver(
        DRIVER,
        {**request, **extra},
        environment,
        where=f"qnn, segment {job.name!r}, chip {job.chip}",
        folder=job.folder,
        label=label,
        time_limit_s=job.time_limit_s,
        hints=HINTS,
    )
