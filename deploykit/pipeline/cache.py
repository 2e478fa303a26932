"""How large the store is, and what can go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploykit.core.store import Store
from deploykit.pipeline.history import Manifest, manifests
from deploykit.pipeline.records import Records


@dataclass(frozen=True)
class CacheSize:
    """Bytes on disk by kind; views are links and count nothing of their own."""

    blobs: int
    blob_bytes: int
    steps: int
    runs: int
    reports: int
    report_bytes: int


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up removed (or would remove)."""

    runs: int
    steps: int
    blobs: int
    freed_bytes: int


def cache_size(store: Store) -> CacheSize:
    """Measure a store."""
    blobs = [path.stat().st_size for path in (store.root / "blobs").glob("*/*")]
    reports = [path.stat().st_size for path in (store.root / "reports").glob("*")]
    steps = sum(1 for _ in (store.root / "steps").glob("*.json"))
    runs = sum(1 for _ in (store.root / "runs").glob("*.json"))
    return CacheSize(len(blobs), sum(blobs), steps, runs, len(reports), sum(reports))


def clean_cache(store: Store, *, keep_runs: int, dry_run: bool) -> Cleaned:
    """Remove all but the newest `keep_runs` runs and what these read. The caller holds the lock.

    Records go before the blobs that they refer to, so that a clean-up that is killed leaves no record without
    its files.
    """
    runs = list(manifests(store))
    kept, gone = runs[len(runs) - min(keep_runs, len(runs)) :], runs[: max(0, len(runs) - keep_runs)]
    wanted_steps = {step.key_digest for run in kept for step in run.steps}
    wanted_blobs: set[str] = set()
    doomed: list[Path] = [store.root / "runs" / f"{run.id}.json" for run in gone]
    doomed += _reports(store, kept)
    steps = 0
    for path, record in Records(store).all():
        if path.stem in wanted_steps:
            wanted_blobs.update(blob.digest for blob in (record.artifact, *record.blobs))
        else:
            steps += 1
            doomed.append(path)
    blobs = [path for path in (store.root / "blobs").glob("*/*") if path.name not in wanted_blobs]
    freed = sum(path.stat().st_size for path in (*doomed, *blobs) if path.exists())
    if not dry_run:
        _remove((*doomed, *blobs))
        shutil.rmtree(store.root / "views", ignore_errors=True)  # hard links would keep the blobs' bytes
    return Cleaned(len(gone), steps, len(blobs), freed)


def _reports(store: Store, kept: Iterable[Manifest]) -> list[Path]:
    wanted = {Path(run.report).name for run in kept}
    return [path for path in (store.root / "reports").glob("*") if path.name not in wanted]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
