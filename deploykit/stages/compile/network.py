"""Compile a partition's segments one by one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from deploykit.artifacts.binaries import Binary, BinarySet
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import Fault, InputError
from deploykit.core.workspace import Workspace
from deploykit.stages.compile import CompileParams
from deploykit.stages.compile.calibration import write_calibration
from deploykit.tasks.protocol import Clip
from deploykit.toolchains import choose_chip, load_toolchain
from deploykit.toolchains.environments import ready_environment, toolchain_root
from deploykit.toolchains.jobs import make_job
from deploykit.toolchains.protocol import Environment, Job, Toolchain

CPU = "cpu"


def compile_segments(
    partition: Partition,
    plan: PrecisionPlan,
    quantized: Partition,
    clips: Iterable[Clip],
    *,
    params: CompileParams,
    workspace: Workspace,
    root: Path | None = None,
    folder: Path = Path(),
) -> BinarySet:
    """Compile every segment that is not for the CPU. Raises InputError as `compile_network` says."""
    toolchain = load_toolchain(params.toolchain, "compile.toolchain", folder=folder)
    chip = choose_chip(toolchain, params.chip, "compile.chip")
    environment = ready_environment(toolchain, toolchain_root(root))
    host = [(segment.name, "planned for the CPU") for segment in partition.segments if segment.engine == CPU]
    refused = dict(_refused(partition, plan, toolchain, chip))
    if refused and params.failed == "stop":
        raise InputError(*(fault for faults in refused.values() for fault in faults))
    host += [(name, "; ".join(map(str, faults))) for name, faults in refused.items()]
    apart = {name for name, _ in host}
    chosen = [segment for segment in partition.segments if segment.name not in apart]
    made: list[Binary] = []
    notices: dict[str, None] = {}
    with workspace.scratch() as scratch:
        frames = write_calibration(partition, chosen, clips, params.calibration_frames, scratch, workspace)
        for segment in workspace.track(chosen, f"compiling for {chip}", len(chosen)):
            job = make_job(
                segment,
                plan,
                quantized,
                workspace,
                chip=chip,
                calibration=frames / segment.name,
                folder=scratch / "jobs" / segment.name,
                options=params.options,
                time_limit_s=params.time_limit_s,
            )
            try:
                binary, said = _compiled(job, toolchain, environment, workspace)
            except InputError as error:
                if params.failed == "stop":
                    raise
                host.append((segment.name, str(error)))
                continue
            made.append(binary)
            notices |= dict.fromkeys(f"{segment.name}: {notice}" for notice in said)
    return BinarySet(
        partition.network,
        params.toolchain,
        toolchain.version(environment),
        chip,
        tuple(made),
        tuple(host),
        tuple(notices),
        params.options,
        params.time_limit_s,
    )


def _refused(
    partition: Partition, plan: PrecisionPlan, toolchain: Toolchain, chip: str
) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    schemes = plan.scheme_of()
    said: set[Fault] = set()
    for segment in partition.segments:
        if segment.engine != CPU:
            faults = toolchain.check(segment, chip=chip, schemes=schemes)
            fresh = tuple(fault for fault in faults if fault not in said)  # a chip is wrong for all of them
            said.update(faults)
            if fresh:
                yield segment.name, fresh


def _compiled(
    job: Job, toolchain: Toolchain, environment: Environment, workspace: Workspace
) -> tuple[Binary, tuple[str, ...]]:
    begun = time.monotonic()
    done = toolchain.compile(job, environment)
    files = tuple(workspace.keep(file) for file in done.files)
    seconds = round(time.monotonic() - begun, 3)
    return Binary(job.name, files, done.report, seconds), done.notices
