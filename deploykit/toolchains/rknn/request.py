"""What the driver is asked for: a base precision, options, and the plan as hybrid quantization."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.toolchains.frame_files import frame_files
from deploykit.toolchains.plan_files import rknn as plan_file
from deploykit.toolchains.plan_files.source import SegmentPlan
from deploykit.toolchains.protocol import Job

KEPT = "kept_calibration"

ALGORITHMS = ("normal", "kl_divergence", "mmse")
OPTIONS: dict[str, tuple[str, ...]] = {
    "ranges": ("plan", "own"),
    "algorithm": ALGORITHMS,
    "auto_hybrid": (),
}
"""Options of `compile.options`, with their values, the default first: `ranges` are the plan's or those that
the toolkit calibrates by its `algorithm`; `auto_hybrid` is a cosine: the toolkit chooses layers itself."""


def build_request(job: Job) -> dict[str, Any]:
    """Give the driver's request. Raises InputError for options that do not exist."""
    _check_options(job.options)
    dtype = base_dtype(job.plan)
    return {
        "platform": job.chip,
        "dtype": dtype,
        "model": str(job.model),
        "inputs": list(job.segment.graph.inputs),
        "outputs": list(job.segment.graph.outputs),
        "calibration": str(job.calibration or job.folder / KEPT),
        "config": {"quantized_algorithm": job.options.get("algorithm", ALGORITHMS[0])} if dtype else {},
        "auto_hybrid": float(job.options.get("auto_hybrid", 0)),
    }


def base_dtype(plan: SegmentPlan) -> str | None:
    """Give what the whole is built with; None: float16. 16-bit integers alone have 16-bit weights too."""
    integers = _integer_schemes(plan)
    if not integers:
        return None
    if integers == {"w8a16"} and not plan.with_scheme("float16", "float32"):
        return "w16a16i_dfp"
    return "w4a16" if integers == {"w4a16"} else "w8a8"


def wants_two_steps(job: Job) -> bool:
    """Say whether to build in the toolkit's two steps: all integers are, for the files of the first hold all
    that the second needs, also when it is done again to simulate. Only the toolkit's own search is not."""
    return base_dtype(job.plan) is not None and not job.options.get("auto_hybrid")


def keep_calibration(job: Job) -> tuple[Path, ...]:
    """Copy the frames beside the binary: the toolkit's own search reads them again to simulate."""
    assert job.calibration is not None
    files = tuple(job.folder / f"{KEPT}-{file.name}" for file in frame_files(job.calibration))
    for file in files:
        shutil.copyfile(job.calibration / file.name.removeprefix(f"{KEPT}-"), file)
    return files


def unpack_calibration(job: Job) -> None:
    """Put kept frames where the request says that they are."""
    (job.folder / KEPT).mkdir()
    for file in sorted(job.folder.glob(f"{KEPT}-*.npz")):
        shutil.copyfile(file, job.folder / KEPT / file.name.removeprefix(f"{KEPT}-"))


def step1_files(job: Job) -> dict[str, str]:
    """Give the files of step 1, which lie in the job's folder, as the driver wants them."""
    stem = job.model.stem
    return {"model": f"{stem}.model", "data": f"{stem}.data", "config": f"{stem}{plan_file.END}"}


def fill_in(job: Job) -> tuple[str, ...]:
    """Put the plan into the configuration that step 1 wrote; gives sentences for the user."""
    if base_dtype(job.plan) == "w16a16i_dfp":
        return ("RKNN's 16-bit integers have weights of 16 bits too",)
    file = job.folder / step1_files(job)["config"]
    own = job.options.get("ranges", "plan") == "own"
    plan = dataclasses.replace(
        job.plan, before=file.read_text("utf-8"), encodings=() if own else job.plan.encodings
    )
    written = plan_file.write(plan)
    ((_, text),) = written.files
    file.write_text(text, encoding="utf-8")
    return written.notices


def _integer_schemes(plan: SegmentPlan) -> set[Scheme]:
    return {plan.scheme(node) for node in plan.nodes if is_integer(plan.scheme(node))}


def _check_options(options: Mapping[str, str]) -> None:
    faults = []
    for name, value in options.items():
        where = f"compile.options.{name}"
        if name not in OPTIONS:
            faults.append(Fault(where, f"rknn has no such option{did_you_mean(name, OPTIONS)}"))
        elif OPTIONS[name] and value not in OPTIONS[name]:
            faults.append(Fault(where, f"no value {value!r}{did_you_mean(value, OPTIONS[name])}"))
        elif name == "auto_hybrid" and not _is_cosine(value):
            faults.append(Fault(where, f"{value!r} is no cosine", "give a number between 0 and 1"))
    if faults:
        raise InputError(*faults)


def _is_cosine(text: str) -> bool:
    try:
        return 0.0 < float(text) < 1.0
    except ValueError:
        return False
