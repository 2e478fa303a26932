"""Arm's Vela: the compiler of Ethos-U55, U65 and U85, with LiteRT's integer kernels as its simulator.

The network goes there as TensorFlow Lite with our own scales; nothing is calibrated a second time. There is
no simulator of the command stream: Arm documents that the NPU's results are those of LiteRT's kernels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault, InputError, input_error
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
from deploykit.toolchains.vela import chips, report, support

__all__ = ["capabilities", "check", "compile", "name", "parse_report", "recipe", "simulate", "version"]

name = "vela"
recipe: Recipe | None = Recipe(
    version="5.2.0",
    python=("3.11", "3.12", "3.13", "3.10"),
    steps=(
        (
            "ethos-u-vela==5.2.0",
            "ai-edge-litert==2.3.0",
            "numpy==2.4.6",
            "flatbuffers==25.12.19",
        ),
    ),
    licence=Licence(
        "Apache License 2.0",
        "https://www.apache.org/licenses/LICENSE-2.0",
        "Arm's Vela and Google's LiteRT may be used, changed and passed on.",
    ),
    size_bytes=200_000_000,
)

DRIVER = Path(__file__).with_name("driver.py")

HINTS = {
    "could not run on NPU": "Vela has no form of this operator for this chip: leave it to the CPU (`split`), "
    "or take another chip",
}


def capabilities() -> Capabilities:
    """Give chips and operators."""
    return support.capabilities()


def check(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Name operators, shapes and schemes that the NPU does not take."""
    return support.check_segment(segment, chip=chip, schemes=schemes)


def version(environment: Environment) -> str:
    """Ask the installed Vela for its version."""
    answer, _ = run_driver(
        DRIVER,
        {"action": "version"},
        environment,
        where="toolchain vela",
        folder=environment.folder,
        label="version",
        time_limit_s=120.0,
    )
    return str(answer["version"])


def compile(job: Job, environment: Environment) -> Compiled:
    """Write the quantized segment as TensorFlow Lite and compile it."""
    from deploykit.toolchains.vela.convert import convert
    from deploykit.toolchains.vela.program import VIEWS, save_program

    arguments = chips.arguments(job.chip, job.options)
    if job.quantized is None:
        raise input_error(
            _where(job), "there is no quantized network", "the NPU computes on integers: plan w8a8"
        )
    known = job.segment.graph.tensor
    program = convert(job.quantized, known, longest_stride=chips.longest_stride(job.chip))
    save_program(program, job.folder / "program")
    source, output = job.folder / f"{job.name}.tflite", job.folder / "vela"
    request = {
        "action": "compile",
        "program": str(job.folder / "program"),
        "tflite": str(source),
        "output": str(output),
        "arguments": arguments,
    }
    answer, log, notices = _compiled(job, environment, request)
    text = "\n".join(
        [log, *(_read(output / row) for word in ("summary", "layers") for row in answer[word])]  # type: ignore[attr-defined]  # JSON
    )
    (job.folder / "report.txt").write_text(text, encoding="utf-8")
    names = {view.tensor: own for own, view in program.views.items()}
    found = report.repeated(report.with_names(parse_report(text), names), program.batch)
    files = (output / str(answer["binary"]), source, job.folder / "program" / VIEWS)
    return Compiled(files, found, (*program.notices, *notices))


def simulate(
    job: Job,
    compiled: Compiled,
    frames: Path,
    environment: Environment,
    *,
    tensors: Sequence[str] = (),
) -> Simulated:
    """Run the frames in LiteRT; inner tensors are those that the NPU would write in the same codes."""
    document = json.loads(compiled.files[2].read_text("utf-8"))
    views = document["views"]
    ends = {*document["inputs"], *document["outputs"]}
    inner = {name: views[name] for name in tensors if name in views and name not in ends}
    results = job.folder / "simulated"
    request = {
        "action": "simulate",
        "tflite": str(compiled.files[1]),
        "frames": str(frames),
        "results": str(results),
        "batch": document["batch"],
        "inputs": {name: views[name] for name in document["inputs"]},
        "outputs": {name: views[name] for name in document["outputs"]},
        "inner": inner,
    }
    _run(job, environment, request, "simulate")
    return Simulated(results, bool(inner), {})


def parse_report(text: str) -> CompileReport:
    """Read Vela's log with its tables behind."""
    return report.parse_report(text)


def _compiled(
    job: Job, environment: Environment, request: Mapping[str, object]
) -> tuple[dict[str, object], str, tuple[str, ...]]:
    """Compile; where Vela fails under its own strategy and the user chose none, once more with the other."""
    strategy = job.options.get("optimise", "Performance")
    arguments = ["--optimise", strategy]
    try:
        answer, log = _run(job, environment, _with(request, arguments), "compile")
        return answer, log, ()
    except InputError:
        if "optimise" in job.options:
            raise
        try:
            answer, log = _run(job, environment, _with(request, ["--optimise", "Size"]), "compile_size")
        except InputError:
            pass
        else:
            notice = "Vela failed under its strategy Performance (see compile.log): compiled under Size"
            return answer, log, (notice,)
        raise


def _with(request: Mapping[str, object], arguments: list[str]) -> dict[str, object]:
    given = request["arguments"]
    assert isinstance(given, list)
    return {**request, "arguments": [*given, *arguments]}


def _read(file: Path) -> str:
    return file.read_text("utf-8")


def _where(job: Job) -> str:
    return f"vela, segment {job.name!r}, chip {job.chip}"


def _run(
    job: Job, environment: Environment, request: Mapping[str, object], label: str
) -> tuple[dict[str, object], str]:
    return run_driver(
        DRIVER,
        request,
        environment,
        where=_where(job),
        folder=job.folder,
        label=label,
        time_limit_s=job.time_limit_s,
        hints=HINTS,
    )
