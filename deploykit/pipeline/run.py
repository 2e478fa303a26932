"""Runs a pipeline as a whole: lock, configuration, steps, and the record of it all."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from deploykit.artifacts.results import NetworkResults, RunResults, StepLine
from deploykit.core.errors import DeploykitError, EnvironmentFault, InputError
from deploykit.core.profile import load_profile
from deploykit.core.store import Store, digest_bytes, disk_faults
from deploykit.core.workspace import Progress, Workspace
from deploykit.core.yaml_file import Document
from deploykit.pipeline.config import PipelineConfig, load_config
from deploykit.pipeline.context import Context
from deploykit.pipeline.figures import figures
from deploykit.pipeline.file_digests import FileDigests
from deploykit.pipeline.findings import findings
from deploykit.pipeline.history import FORMAT, Manifest, new_run_id, write_manifest
from deploykit.pipeline.matrix import Combination, combinations
from deploykit.pipeline.records import Records
from deploykit.pipeline.runner import Artifacts, RunState, Unwatched, Watcher, run_steps
from deploykit.pipeline.steps import Selection
from deploykit.pipeline.toolchain_faults import toolchain_faults

WORKSPACE_NAME = ".deploykit"


@dataclass(frozen=True)
class PipelineRun:
    """A finished run: what it gave, what it found, and its record."""

    results: RunResults
    findings: tuple[str, ...]
    manifest: Manifest
    report_path: Path


def default_store(pipeline: Path) -> Store:
    """Give the store of a pipeline's folder."""
    return Store(pipeline.parent / WORKSPACE_NAME)


def load_contexts(pipeline: Path, overrides: Sequence[str], store: Store) -> tuple[Context, ...]:
    """Read a pipeline's YAML; gives one context a combination of its matrix (one where it has none).

    Raises:
        InputError: faults of the YAML; then those of the chip profile and of the toolchains, together.
    """
    config, document = load_config(pipeline, overrides)
    found = []
    for combination in combinations(config.core.matrix):
        if combination.overrides:
            config, document = load_config(pipeline, (*overrides, *combination.overrides))
        found.append(_context(config, document, combination, store))
    return tuple(found)


def run_pipeline(
    context: Context,
    store: Store,
    selection: Selection,
    *,
    argv: Sequence[str],
    watcher: Watcher,
    progress: Progress,
    workers: int,
) -> PipelineRun:
    """Run one pipeline and write its manifest, whether it ends well or not. The caller holds the lock."""
    run_id, started = new_run_id(context.name)
    clock, cpu = time.perf_counter(), time.process_time()
    state = RunState()
    records = Records(store)

    def manifest(
        status: Literal["ok", "finding", "failed"], message: str, results: RunResults | None
    ) -> Manifest:
        return Manifest(
            format=FORMAT,
            id=run_id,
            pipeline=context.name,
            chip=context.profile.name,
            started=started,
            seconds=time.perf_counter() - clock,
            cpu_seconds=time.process_time() - cpu,
            argv=tuple(argv),
            status=status,
            message=message,
            versions=context.versions,
            steps=tuple(state.outcomes),
            metrics=figures(results) if results else (),
            report=_report_name(context, state) if results else "",
        )

    workspace = Workspace(store, progress, workers)
    try:
        artifacts = run_steps(context, records, selection, workspace=workspace, watcher=watcher, state=state)
        results = _results(context, artifacts, state, started)
    except BaseException as error:
        with contextlib.suppress(DeploykitError, OSError):  # the first error is the one to report
            write_manifest(store, manifest("failed", str(error) or type(error).__name__, None))
        raise
    finally:
        with contextlib.suppress(OSError):
            context.digests.save()
    found = findings(results)
    done = manifest("finding" if found else "ok", "; ".join(found), results)
    with disk_faults(store.root):
        write_manifest(store, done)
    return PipelineRun(results, found, done, store.root / "reports" / done.report)


def read_results(context: Context, store: Store) -> tuple[RunResults, Path]:
    """Give what the cache holds for a pipeline as it is now, and the page that shows it; no step is run."""
    state = RunState()
    artifacts = run_steps(
        context,
        Records(store),
        Selection(nothing=True),
        workspace=Workspace(store),
        watcher=Unwatched(),
        state=state,
    )
    results = _results(context, artifacts, state, datetime.now(UTC).isoformat(timespec="milliseconds"))
    return results, store.root / "reports" / _report_name(context, state)


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Hold a store against other runs.

    Raises:
        EnvironmentFault: another run holds it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    holder = store.root / "lock.holder"
    with disk_faults(store.root):
        try:
            store.root.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
            raise EnvironmentFault(
                f"{store.root}: cannot be made: {error.strerror}; name another --workspace"
            ) from None
        lock = FileLock(store.root / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise EnvironmentFault(
                f"{store.root}: {_holder(holder)}; wait for it, or name another --workspace"
            ) from None
    try:
        with disk_faults(store.root):
            store.clear_scratch()
            store.write(holder, json.dumps({"pid": os.getpid()}).encode())
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        return f"another run (process {json.loads(path.read_bytes())['pid']}) is using this folder"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run is using this folder"


def _context(config: PipelineConfig, document: Document, combination: Combination, store: Store) -> Context:
    faults = list(toolchain_faults(config, document))
    try:
        profile, profile_path = load_profile(config.core.chip, beside=document.path.parent)
    except InputError as error:
        raise InputError(*error.faults, *faults) from error
    if faults:
        raise InputError(*faults)
    return Context(
        name=config.core.name + combination.suffix,
        config=config,
        document=document,
        profile=profile,
        profile_path=profile_path,
        digests=FileDigests.load(store),
    )


def _results(context: Context, artifacts: Artifacts, state: RunState, started: str) -> RunResults:
    networks = []
    for name in context.config.networks:
        parts: dict[str, Any] = {
            field: artifacts.get(f"{name}.{step}")
            for field, step in (
                ("model", "export"),
                ("partition", "split"),
                ("costs", "analyze"),
                ("sensitivity", "sensitivity"),
                ("plan", "precision"),
                ("quantized", "quantize"),
                ("memory", "memory"),
                ("replay", "memory_replay"),
                ("comparison", "compare"),
                ("binaries", "compile"),
                ("simulation", "check_simulation"),
            )
        }
        networks.append(NetworkResults(name, **parts))
    return RunResults(
        pipeline=context.name,
        chip=context.profile,
        networks=tuple(networks),
        schedule=artifacts.get("schedule"),
        evaluation=artifacts.get("evaluate"),
        steps=tuple(StepLine(step.step, step.state, step.seconds, step.why) for step in state.outcomes),
        started=started,
        versions=context.versions,
        data_notice=context.data_notice,
        blocks=artifacts.get("memory_blocks"),
    )


def _report_name(context: Context, state: RunState) -> str:
    """Name a page by what it shows, so that an unchanged run finds it written."""
    shown = [[step.step, step.key_digest, step.artifact_digest] for step in state.outcomes]
    safe = "".join(letter if letter.isalnum() or letter in "-_.=," else "_" for letter in context.name)
    return f"{safe}-{digest_bytes(json.dumps([context.versions, shown]).encode())[:12]}.html"
