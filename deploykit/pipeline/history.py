"""One manifest a run: what it was, what became of each step, what it measured; two of them side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deploykit.core.codec import decode, encode
from deploykit.core.errors import input_error
from deploykit.core.names import did_you_mean
from deploykit.core.store import Store, digest_bytes
from deploykit.pipeline.keys import differences
from deploykit.pipeline.records import Records
from deploykit.pipeline.runner import StepOutcome

FORMAT = 1


@dataclass(frozen=True)
class Metric:
    """A figure of a run, by a dotted name ("bev.predicted_ms", "evaluate.mAP.quantized")."""

    name: str
    value: float


@dataclass(frozen=True)
class Manifest:
    """What a run was and gave. `argv` are the words of the command, `status` how it ended."""

    format: int
    id: str
    pipeline: str
    chip: str
    started: str
    seconds: float
    cpu_seconds: float
    argv: tuple[str, ...]
    status: Literal["ok", "finding", "failed"]
    message: str
    versions: tuple[tuple[str, str], ...]
    steps: tuple[StepOutcome, ...]
    metrics: tuple[Metric, ...]
    report: str


@dataclass(frozen=True)
class RunDifference:
    """Two runs side by side: sentences on what differs step by step, and figures that both have."""

    first: str
    second: str
    steps: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, float, float], ...]


def new_run_id(pipeline: str) -> tuple[str, str]:
    """Give (id, ISO start time) for a run that starts now; ids sort by time."""
    now = datetime.now(UTC)
    started = now.isoformat(timespec="milliseconds")
    suffix = digest_bytes(f"{pipeline} {now.timestamp()}".encode())[:4]
    return f"{now:%Y%m%d-%H%M%S}-{suffix}", started


def write_manifest(store: Store, manifest: Manifest) -> Path:
    """Write a run's manifest."""
    path = store.root / "runs" / f"{manifest.id}.json"
    store.write(path, encode(manifest))
    return path


def manifests(store: Store) -> Iterator[Manifest]:
    """Give all runs, oldest first."""
    for path in sorted((store.root / "runs").glob("*.json")):
        yield decode(Manifest, path.read_bytes(), str(path))


def find_run(store: Store, name: str) -> Manifest:
    """Give a run by its id, a unique beginning or end of it, or "last".

    Raises:
        InputError: no run, or several, are meant.
    """
    runs = list(manifests(store))
    if name == "last" and runs:
        return runs[-1]
    matching = [run for run in runs if run.id == name or re.fullmatch(f"{re.escape(name)}.*", run.id)]
    matching = matching or [run for run in runs if run.id.endswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise input_error(name, f"several runs begin so: {', '.join(run.id for run in matching)}")
    raise input_error(name, f"no such run{did_you_mean(name, (run.id for run in runs))}")


def compare_runs(records: Records, first: Manifest, second: Manifest) -> RunDifference:
    """Put two runs side by side."""
    old = {step.step: step for step in first.steps}
    new = {step.step: step for step in second.steps}
    steps = [
        (name, _step_difference(records, old.get(name), new.get(name)))
        for name in dict.fromkeys((*old, *new))
    ]
    values = {metric.name: metric.value for metric in first.metrics}
    metrics = [(item.name, values[item.name], item.value) for item in second.metrics if item.name in values]
    return RunDifference(first.id, second.id, tuple((n, text) for n, text in steps if text), tuple(metrics))


def _step_difference(records: Records, old: StepOutcome | None, new: StepOutcome | None) -> str:
    if old is None or new is None or not old.key_digest or not new.key_digest:
        present = [step for step in (old, new) if step is not None and step.key_digest]
        return "" if not present else f"only in the {'first' if present[0] is old else 'second'}"
    if old.key_digest == new.key_digest:
        return ""
    keys = [records.key(step.key_digest) for step in (old, new)]
    if keys[0] is None or keys[1] is None:
        return "another key, of which the cache no longer has the details"
    same = ", same result" if old.artifact_digest == new.artifact_digest else ""
    return "; ".join(_limited(list(differences(keys[0], keys[1])))) + same


def _limited(sentences: Sequence[str], most: int = 4) -> list[str]:
    rest = len(sentences) - most
    return [*sentences[:most], *([f"and {rest} more"] if rest > 0 else [])]
