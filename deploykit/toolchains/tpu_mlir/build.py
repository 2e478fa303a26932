"""Compile a segment with tpu-mlir's own programs: transform, calibrate, deploy, look at the result."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from deploykit.core.errors import input_error
from deploykit.core.process import Finished, run_program
from deploykit.toolchains.install import CLEAN
from deploykit.toolchains.protocol import Environment, Job
from deploykit.toolchains.tpu_mlir.hints import advice
from deploykit.toolchains.tpu_mlir.mlir_text import Operation, read_operations
from deploykit.toolchains.tpu_mlir.operators import SYMMETRIC
from deploykit.toolchains.tpu_mlir.options import Options
from deploykit.toolchains.tpu_mlir.report import join_texts
from deploykit.toolchains.tpu_mlir.tables import Tables, write_tables

TOP = "net.mlir"
BMODEL = "net.bmodel"
RANGES = "net.cali_table"
MODES = "net.qtable"
LOWERED = "net.lowered.mlir"
PROFILE = "compiler_profile_0.txt"
WEIGHT_FILE = re.compile(r'module\.weight_file = "([^"]+)"')


def package_of(environment: Environment) -> Path:
    """Give the folder of the installed package. Raises InputError where it is not there."""
    found = sorted(environment.folder.glob("venv/lib/python3*/site-packages/tpu_mlir"))
    if not found:
        raise input_error(
            "toolchain tpu-mlir",
            f"no package in {environment.folder}",
            "`deploykit toolchain install tpu-mlir`",
        )
    return found[0]


def variables(environment: Environment) -> dict[str, str]:
    """Give what the vendor's programs look for in the environment."""
    package = package_of(environment)
    library = package / "lib"
    return {
        **CLEAN,
        "TPUC_ROOT": str(package),
        "PATH": os.pathsep.join(
            (str(package / "bin"), str(package / "python/tools"), str(environment.python.parent), os.defpath)
        ),
        "PYTHONPATH": os.pathsep.join((str(package), str(package / "python"))),
        "LD_LIBRARY_PATH": os.pathsep.join(
            (str(library), str(library / "capi"), str(library / "third_party"))
        ),
        "TPUKERNEL_CUSTOM_FIRMWARE_PATH": str(library / "libcmodel_custom.so"),
    }


def transform(job: Job, environment: Environment) -> tuple[Operation, ...]:
    """Convert the float ONNX; gives the operations that it became."""
    arguments = ("--model_name", "net", "--model_def", str(job.model), "--mlir", TOP)
    _tool(job, environment, "model_transform", arguments, made=TOP)
    return read_operations((job.folder / TOP).read_text("utf-8"))


def calibrate(job: Job, environment: Environment, options: Options) -> None:
    """Let the tool choose ranges, and where it is asked for, search the modes of the layers."""
    if job.calibration is None or not any(job.calibration.glob("*.npz")):
        raise input_error(_where(job), "its own calibration needs frames", "give `clips.calibration`")
    frames = str(len(list(job.calibration.glob("*.npz"))))
    arguments = [TOP, "--dataset", str(job.calibration), "--input_num", frames, "-o", RANGES]
    if options.modes == "search":
        arguments += ["--search", "search_qtable", "--chip", job.chip, "--quantize_table", MODES]
        arguments += ["--expected_cos", options.expected_cos, "--quantize_method_list", options.method]
        arguments += ["--inference_num", frames, "--max_float_layers", options.float_layers]
    else:
        arguments += ["--cali_method", options.method]
    _tool(job, environment, "run_calibration", arguments, made=RANGES)


def write_plan(job: Job, operations: Sequence[Operation], options: Options) -> Tables:
    """Write our ranges and modes, as far as the options ask for them; gives what was decided."""
    tables = write_tables(job.plan, operations)
    if options.ranges == "plan":
        (job.folder / RANGES).write_text(tables.ranges, "utf-8")
    if options.modes == "plan":
        (job.folder / MODES).write_text(tables.modes, "utf-8")
    return tables


def deploy(job: Job, environment: Environment, options: Options, mode: str, *, ranges: bool) -> str:
    """Lower and compile, with ranges where any operation is in integers; gives the text of the report."""
    arguments = ["--mlir", TOP, "--quantize", mode, "--chip", job.chip, "--model", BMODEL]
    arguments += ["--skip_validation", "--debug", "--q_group_size", options.group_size]
    if ranges:
        arguments += ["--calibration_table", RANGES]
    if options.modes in ("plan", "search"):
        arguments += ["--quantize_table", MODES]
    if options.asymmetric == "true" or (options.asymmetric == "auto" and job.chip not in SYMMETRIC):
        arguments.append("--asymmetric")
    (job.folder / PROFILE).unlink(missing_ok=True)
    _tool(job, environment, "model_deploy", arguments, made=BMODEL)
    keep_lowered(job.folder)
    info = _info(job, environment)
    profile = job.folder / PROFILE
    tensors = job.folder / f"{BMODEL}.json"
    return join_texts(
        profile.read_text("utf-8") if profile.is_file() else "",
        tensors.read_text("utf-8") if tensors.is_file() else "",
        info,
    )


def keep_lowered(folder: Path) -> None:
    """Give the lowered network a name of its own; its weight file stands in its text."""
    found = sorted(folder.glob("net_*_tpu.mlir"))
    (folder / LOWERED).write_bytes(found[0].read_bytes())


def lowered_files(folder: Path) -> tuple[Path, ...]:
    """Give the lowered network and its weights."""
    found = WEIGHT_FILE.search((folder / LOWERED).read_text("utf-8"))
    return (folder / LOWERED, *((folder / found[1],) if found else ()))


def _info(job: Job, environment: Environment) -> str:
    program = package_of(environment) / "bin" / "model_tool"
    done = _run(job, environment, "info", (str(program), "--info", BMODEL))
    _judge(job, done, "model_tool --info", None)
    return done.text()


def _tool(job: Job, environment: Environment, tool: str, arguments: Sequence[str], *, made: str) -> None:
    program = package_of(environment) / "python" / "tools" / f"{tool}.py"
    done = _run(job, environment, tool, (str(environment.python), str(program), *arguments))
    _judge(job, done, tool, job.folder / made)


def _run(job: Job, environment: Environment, label: str, arguments: Sequence[str]) -> Finished:
    return run_program(
        arguments,
        job.folder,
        output=job.folder / f"{label}.log",
        time_limit_s=job.time_limit_s,
        environment=variables(environment),
    )


def _judge(job: Job, done: Finished, label: str, made: Path | None) -> None:
    """Raise InputError where a program failed, or says that it did not and has made nothing."""
    if done.code == 0 and (made is None or made.is_file()):
        return
    what = done.how
    if done.code is None and not done.error:
        what += f", the limit is {job.time_limit_s:g} s (`time_limit_s`)"
    elif done.code == 0 and made is not None:
        what = f"ended with code 0, but without {made.name}"
    raise input_error(_where(job), f"{label}: {what}", advice(done))


def _where(job: Job) -> str:
    return f"tpu-mlir, segment {job.name!r}, chip {job.chip}"
