"""Runs a pipeline's steps, each from the cache where its key is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol

from deploykit.core.errors import input_error
from deploykit.core.store import disk_faults
from deploykit.core.workspace import Workspace
from deploykit.pipeline.context import Context
from deploykit.pipeline.keys import StepKey, differences
from deploykit.pipeline.records import Records, StepRecord
from deploykit.pipeline.steps import Selection, Step, selected
from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class StepOutcome:
    """What became of a step: run, taken from the cache, or left out; `why` is the reason as a sentence."""

    step: str
    state: Literal["ran", "cached", "skipped"]
    why: str
    seconds: float
    key_digest: str = ""
    artifact_digest: str = ""


@dataclass
class RunState:
    """A run so far: outcomes in order, and the records of the steps whose artifacts are there."""

    outcomes: list[StepOutcome] = field(default_factory=list)
    records: dict[str, StepRecord] = field(default_factory=dict)


class Watcher(Protocol):
    """Is told what the runner does, to show it."""

    def started(self, step: str, why: str) -> None:
        """A step runs now."""

    def finished(self, outcome: StepOutcome) -> None:
        """A step has run, or came from the cache, or was left out."""


class Unwatched:
    """Shows nothing."""

    def started(self, step: str, why: str) -> None:
        """Do nothing."""

    def finished(self, outcome: StepOutcome) -> None:
        """Do nothing."""


class Artifacts:
    """Artifacts of a run, read from the store when first asked for."""

    def __init__(self, steps: Mapping[str, Step], records: Records, found: Mapping[str, StepRecord]) -> None:
        self._steps = steps
        self._records = records
        self._found = found
        self._values: dict[str, Any] = {}

    def get(self, step: str) -> Any | None:
        """Give a step's artifact, or None where the run has none."""
        if step not in self._found:
            return None
        if step not in self._values:
            gives = self._steps[step].stage.load().GIVES
            self._values[step] = self._records.artifact(self._found[step], gives)
        return self._values[step]

    def put(self, step: str, value: Any) -> None:
        """Keep an artifact that was just made."""
        self._values[step] = value


def run_steps(
    context: Context,
    records: Records,
    selection: Selection,
    *,
    workspace: Workspace,
    watcher: Watcher,
    state: RunState,
) -> Artifacts:
    """Run the selected steps; `state` is filled as they finish, so that it holds what was done if one fails.

    Raises:
        InputError: a step that wasn't selected is needed, and is not in the cache.
    """
    chosen, forced = selected(context.steps, selection)
    artifacts = Artifacts({step.name: step for step in context.steps}, records, state.records)
    for step in context.steps:
        key = key_of(step, context, state.records)
        record = records.find(key) if key else None
        why = reason(step, key, record, forced=step.name in forced, latest=_latest(records, context, step))
        if step.name not in chosen:
            outcome = _outside(step, key, record)
        elif key is None:
            _refuse_missing(step, state.records)
        elif record is not None and step.name not in forced:
            outcome = StepOutcome(step.name, "cached", why, 0.0, key.digest(), record.artifact.digest)
        else:
            watcher.started(step.name, why)
            record = _run(step, key, context, records, artifacts, workspace)
            outcome = StepOutcome(step.name, "ran", why, record.seconds, key.digest(), record.artifact.digest)
        if record is not None:
            state.records[step.name] = record
        if key is not None and outcome.state != "skipped":
            _remember(records, context, key)
        state.outcomes.append(outcome)
        watcher.finished(outcome)
    return artifacts


def key_of(step: Step, context: Context, found: Mapping[str, StepRecord]) -> StepKey | None:
    """Give a step's key, or None while an artifact that it reads isn't there."""
    if any(read not in found for read in step.reads):
        return None
    return context.key(step, {read: found[read].artifact.digest for read in step.reads})


def reason(
    step: Step,
    key: StepKey | None,
    record: StepRecord | None,
    *,
    forced: bool,
    latest: Mapping[str, Any] | None,
) -> str:
    """Say in a few words why a step would run, or why it need not."""
    if forced:
        return "forced"
    if key is None:
        return "after the steps that it reads"
    if record is not None:
        return "unchanged"
    if latest is None:
        return "never run here"
    changed = list(differences(latest, _plain(key)))
    return "; ".join(changed[:3]) + (f"; and {len(changed) - 3} more" if len(changed) > 3 else "") or (
        "its files are gone from the cache"
    )


def _run(
    step: Step,
    key: StepKey,
    context: Context,
    records: Records,
    artifacts: Artifacts,
    workspace: Workspace,
) -> StepRecord:
    stage = step.stage
    call = StageCall(
        networks=step.networks,
        params=context.params(step),
        inputs=_inputs(step, artifacts.get),
        workspace=workspace,
        profile=context.profile,
        clips=context.clips(step),
        task=context.task if stage.data == "task" else None,
        task_kind=context.task_kind,
        folder=context.folder,
        source=context.source(step.networks[0]) if stage.uses_source else None,
    )
    started = time.perf_counter()
    with disk_faults(records.store.root):
        artifact = stage.load().run(call)
        record = records.add(key, artifact, time.perf_counter() - started)
    artifacts.put(step.name, artifact)
    return record


def _inputs(step: Step, get: Callable[[str], Any]) -> dict[str, Any]:
    if step.stage.scope == "network":
        return {read: get(f"{step.networks[0]}.{read}") for read in step.stage.reads}
    return {
        read: get(read)
        if read in step.reads
        else tuple(get(f"{network}.{read}") for network in step.networks)
        for read in step.stage.reads
    }


def _outside(step: Step, key: StepKey | None, record: StepRecord | None) -> StepOutcome:
    if key is None or record is None:
        return StepOutcome(step.name, "skipped", "not asked for", 0.0)
    return StepOutcome(step.name, "cached", "not asked for", 0.0, key.digest(), record.artifact.digest)


def _refuse_missing(step: Step, found: Mapping[str, StepRecord]) -> NoReturn:
    missing = ", ".join(read for read in step.reads if read not in found)
    raise input_error(
        step.name,
        f"it reads {missing}, which the cache lacks or holds for other settings",
        f"run it first (--to {step.reads[0]}), or drop --from / --only",
    )


def _latest(records: Records, context: Context, step: Step) -> dict[str, Any] | None:
    return records.latest(context.name, step.name)


def _remember(records: Records, context: Context, key: StepKey) -> None:
    if records.latest(context.name, key.step) != _plain(key):
        records.remember_latest(context.name, key)


def _plain(key: StepKey) -> dict[str, Any]:
    from deploykit.core.codec import to_plain

    plain: dict[str, Any] = to_plain(key)
    return plain
