"""The steps of one pipeline: which there are, in which order, and which of them a command asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.stages import Stage


@dataclass(frozen=True)
class Step:
    """A stage applied to a network (`bev.split`), or to the whole pipeline (`schedule`)."""

    name: str
    stage_name: str
    stage: Stage
    networks: tuple[str, ...]
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """Which steps a command asks for. A name is a step (`bev.split`) or a stage (`split`: of all networks).

    `first`, `last`: the range to run; earlier steps have to be in the cache, later ones are left out.
    `only`: these steps alone; `nothing`: none, to read what the cache holds. `force`: run these even if
    they are in the cache ("all": every one).
    """

    first: str = ""
    last: str = ""
    only: tuple[str, ...] = ()
    nothing: bool = False
    force: tuple[str, ...] = ()


def pipeline_steps(networks: Sequence[str], stages: Mapping[str, Stage]) -> tuple[Step, ...]:
    """Give all steps, each after those that it reads: network by network, then the whole pipeline's."""
    steps = []
    for network in networks:
        for name, stage in stages.items():
            if stage.scope == "network":
                reads = tuple(f"{network}.{read}" for read in stage.reads)
                steps.append(Step(f"{network}.{name}", name, stage, (network,), reads))
    for name, stage in stages.items():
        if stage.scope == "pipeline":
            reads = tuple(name for read in stage.reads for name in _read_names(read, networks, stages))
            steps.append(Step(name, name, stage, tuple(networks), reads))
    return tuple(steps)


def _read_names(read: str, networks: Sequence[str], stages: Mapping[str, Stage]) -> list[str]:
    """Give the steps that a stage of the whole pipeline reads: one a network, or one of the pipeline."""
    return [read] if stages[read].scope == "pipeline" else [f"{network}.{read}" for network in networks]


def selected(steps: Sequence[Step], selection: Selection) -> tuple[frozenset[str], frozenset[str]]:
    """Give (names of the steps to run, names of those to run by force).

    Raises:
        InputError: a name is no step and no stage; all such names at once.
    """
    named = [name for name in (selection.first, selection.last, *selection.only) if name]
    forced = [name for name in selection.force if name != "all"]
    known = [*dict.fromkeys(step.stage_name for step in steps), *(step.name for step in steps)]
    faults = [
        Fault(name, f"no such step{did_you_mean(name, known)}")
        for name in (*named, *forced)
        if name not in known
    ]
    if faults:
        raise InputError(*faults)
    if selection.nothing:
        return frozenset(), frozenset()
    chosen = {step.name for step in steps if not selection.only or _is(step, selection.only)}
    if selection.first:
        starts = {step.name for step in steps if _is(step, (selection.first,))}
        chosen &= starts | _downstream(steps, starts)
    if selection.last:
        ends = {step.name for step in steps if _is(step, (selection.last,))}
        chosen &= ends | _upstream(steps, ends)
    every = "all" in selection.force
    return frozenset(chosen), frozenset(s.name for s in steps if every or _is(s, forced))


def _is(step: Step, names: Sequence[str]) -> bool:
    return step.name in names or step.stage_name in names


def _downstream(steps: Sequence[Step], starts: set[str]) -> set[str]:
    found = set(starts)
    for step in steps:
        if found.intersection(step.reads):
            found.add(step.name)
    return found


def _upstream(steps: Sequence[Step], ends: set[str]) -> set[str]:
    found = set(ends)
    for step in reversed(steps):
        if step.name in found:
            found.update(step.reads)
    return found
