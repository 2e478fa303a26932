"""Says what a run would do, and why, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.pipeline.context import Context
from deploykit.pipeline.records import Records, StepRecord
from deploykit.pipeline.runner import key_of, reason
from deploykit.pipeline.steps import Selection, selected


@dataclass(frozen=True)
class PlannedStep:
    """A step and what would become of it; `maybe` where it reads a step that would run first."""

    step: str
    action: Literal["run", "maybe", "cached", "skip"]
    why: str


def plan_steps(context: Context, records: Records, selection: Selection) -> tuple[PlannedStep, ...]:
    """Plan a run. Nothing is written, not even the stat cache."""
    chosen, forced = selected(context.steps, selection)
    found: dict[str, StepRecord] = {}
    planned = []
    for step in context.steps:
        key = key_of(step, context, found)
        record = records.find(key) if key else None
        latest = records.latest(context.name, step.name)
        why = reason(step, key, record, forced=step.name in forced, latest=latest)
        if record is not None and step.name not in forced:
            found[step.name] = record
            planned.append(PlannedStep(step.name, "cached", why))
        elif step.name not in chosen:
            planned.append(PlannedStep(step.name, "skip", "not asked for"))
        elif key is None:
            waits = ", ".join(read for read in step.reads if read not in found)
            planned.append(PlannedStep(step.name, "maybe", f"after {waits}"))
        else:
            planned.append(PlannedStep(step.name, "run", why))
    return tuple(planned)
