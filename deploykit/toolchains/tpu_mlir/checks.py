"""Does the bmodel compute what the lowered network computes? One calibration frame through both."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from deploykit.core.errors import InputError, input_error
from deploykit.core.process import run_program
from deploykit.toolchains.frame_files import frame_files, read_frame
from deploykit.toolchains.protocol import Environment, Job
from deploykit.toolchains.tpu_mlir.build import BMODEL, LOWERED, package_of, variables
from deploykit.toolchains.tpu_mlir.operators import NO_CMODEL
from deploykit.toolchains.tpu_mlir.options import Options
from deploykit.toolchains.tpu_mlir.simulation import raw_frames

LEAST_COSINE = 0.99
"""What the vendor's own model_deploy asks of the two (`--correctness 0.99,0.90`)."""

LIMIT_S = 600.0
SUMMARY = "bmodel_failed_summary.json"
FINISHED = "End of Execution"
SHOWN = 5


def check_bmodel(job: Job, environment: Environment, options: Options) -> Iterator[str]:
    """Give sentences on how near the two are.

    Raises:
        InputError: an output whose cosine is below 0.99, or a cmodel that crashed.
    """
    frames = frame_files(job.calibration) if job.calibration is not None else []
    if options.check == "none" or not frames:
        return
    if job.chip in NO_CMODEL:
        yield f"the bmodel was not run: the cmodel of {job.chip} does not load"
        return
    given = job.folder / "check"
    given.mkdir()
    shutil.copyfile(frames[0], given / "0000.npz")
    layers = options.check == "layers"
    lowered, bmodel = job.folder / "check-lowered", job.folder / "check-bmodel"
    raw_frames(job, job.folder / LOWERED, given, lowered, environment, everything=layers)
    short = dataclasses.replace(job, time_limit_s=min(job.time_limit_s, LIMIT_S))
    try:
        outputs = raw_frames(short, job.folder / BMODEL, given, bmodel, environment, everything=False)
    except InputError as error:
        if "not done after" in str(error):
            yield f"the bmodel was not checked: the cmodel takes more than {short.time_limit_s:g} s a frame"
            return
        raise
    expected, found = read_frame(lowered / "0000.npz"), read_frame(bmodel / "0000.npz")
    cosines = {name: _cosine(expected[name], found[name]) for name in outputs}
    _judge(job, cosines)
    yield f"the bmodel in the cmodel gives what the lowered network gives: cosine {min(cosines.values()):.6f}"
    if layers:
        yield from _operations(job, environment, given / "0000.npz", lowered / "0000.npz")


def _cosine(first: NDArray[Any], second: NDArray[Any]) -> float:
    one, two = first.astype(numpy.float64).ravel(), second.astype(numpy.float64).ravel()
    length = float(numpy.linalg.norm(one) * numpy.linalg.norm(two))
    return float(one @ two) / length if length else float(numpy.array_equal(one, two))


def _judge(job: Job, cosines: Mapping[str, float]) -> None:
    bad = {name: value for name, value in cosines.items() if not value >= LEAST_COSINE}
    if bad:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in bad.items())
        raise input_error(
            f"tpu-mlir, segment {job.name!r}, chip {job.chip}",
            f"the bmodel computes something else than the lowered network (cosine {shown})",
            "`check: layers` names the operation; keep that layer in float16",
        )


def _operations(job: Job, environment: Environment, frame: Path, expected: Path) -> Iterator[str]:
    """Compare every operation with the vendor's bmodel_checker."""
    package = package_of(environment)
    context = job.folder / Path(BMODEL).stem
    runner = package / "python/tools/model_runner.py"
    arguments = ["--input", str(frame), "--model", BMODEL, "--output", "check-outputs.npz"]
    _run(job, environment, "model_runner", [str(runner), *arguments])  # writes what the checker reads
    checker = package / "python/tools/bmodel_checker.py"
    (job.folder / SUMMARY).unlink(missing_ok=True)
    _run(job, environment, "bmodel_checker", [str(checker), str(context), str(expected), "--no_interactive"])
    text = _run(
        job, environment, "bmodel_checker", [str(checker), str(context), str(expected), "--no_interactive"]
    )
    yield read_summary(job.folder / SUMMARY, text)


def read_summary(file: Path, text: str) -> str:
    """Say what the checker found, which ends with code 0 whatever that is.

    It writes a summary only where something failed; without one, its output tells whether it came to the end.
    """
    if not file.is_file():
        if FINISHED in text:
            return "bmodel_checker: every operation gives what the lowered network gives"
        return "bmodel_checker did not come to its end: single operations were not compared"
    try:
        failed = json.loads(file.read_text("utf-8"))
    except ValueError:
        return f"bmodel_checker found differences, but {file} cannot be read"
    shown = "; ".join(", ".join(f"{key} {value}" for key, value in entry.items()) for entry in failed[:SHOWN])
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return f"bmodel_checker finds other values in {len(failed)} tensors: {shown}{more}"


def _run(job: Job, environment: Environment, label: str, arguments: list[str]) -> str:
    done = run_program(
        [str(environment.python), *arguments],
        job.folder,
        output=job.folder / f"{label}.log",
        time_limit_s=min(job.time_limit_s, LIMIT_S),
        environment=variables(environment),
    )
    if done.code != 0:
        raise input_error(f"tpu-mlir, segment {job.name!r}", f"{label}: {done.how}", done.kept)
    return done.text()
