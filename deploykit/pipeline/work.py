"""How far a pipeline's networks are: read from its records, never run, never guessed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.results import RunResults
from deploykit.artifacts.work import NetworkWork, WorkEstimate, WorkItem
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.store import Store
from deploykit.pipeline.context import Context
from deploykit.pipeline.history import Manifest, manifests
from deploykit.pipeline.run import read_results
from deploykit.pipeline.work_areas import AREAS, NetworkState

Days = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class FailedStep:
    """The step that stopped the newest run, and what it said."""

    step: str
    message: str


def read_work(context: Context, store: Store, *, days_file: Path | None) -> WorkEstimate:
    """Read the state of every area of every network, with the user's days by network and area.

    Raises:
        InputError: the file of days has faults; all at once.
    """
    results, _ = read_results(context, store)
    failed = failed_step(context, results, tuple(manifests(store)))
    estimate = work_of(context, results, failed)
    return estimate if days_file is None else with_days(estimate, days_file)


def failed_step(context: Context, results: RunResults, runs: Sequence[Manifest]) -> FailedStep | None:
    """Give the step at which the newest run of this pipeline stopped, unless it has been done since."""
    own = [run for run in runs if run.pipeline == context.name]
    if not own or own[-1].status != "failed":
        return None
    ended = {step.step for step in own[-1].steps}
    stopped = next((step.name for step in context.steps if step.name not in ended), None)
    done = {line.name for line in results.steps if line.state != "skipped"}
    return None if stopped is None or stopped in done else FailedStep(stopped, own[-1].message)


def work_of(context: Context, results: RunResults, failed: FailedStep | None) -> WorkEstimate:
    """Give the state of every area of every network."""
    networks = []
    for network in results.networks:
        state = NetworkState(
            results=network,
            contracts=context.config.networks[network.network].core.contracts,
            chip=context.profile,
            task_kind=context.task_kind,
            data_notice=context.data_notice,
            schedule=results.schedule,
            evaluation=results.evaluation,
        )
        networks.append(NetworkWork(network.network, tuple(_items(state, failed))))
    return WorkEstimate(results.pipeline, context.profile.name, tuple(networks))


def _items(state: NetworkState, failed: FailedStep | None) -> Iterator[WorkItem]:
    for area, steps in AREAS:
        item = area(state)
        own = {*steps, *(f"{state.results.network}.{step}" for step in steps)}
        if failed is not None and failed.step in own:
            message = failed.message.splitlines()[0] if failed.message else "no message"
            item = dataclasses.replace(item, state="failed", evidence=f"{failed.step} failed: {message}")
        yield item


def with_days(estimate: WorkEstimate, file: Path) -> WorkEstimate:
    """Put the user's days beside the areas: a YAML of network, area, days."""
    days = _read_days(estimate, file)
    networks = tuple(
        dataclasses.replace(
            network,
            items=tuple(
                dataclasses.replace(item, days=days.get(network.network, {}).get(item.area))
                for item in network.items
            ),
        )
        for network in estimate.networks
    )
    return dataclasses.replace(estimate, networks=networks)


def _read_days(estimate: WorkEstimate, file: Path) -> Days:
    from deploykit.core.yaml_file import load_document, located

    document = load_document(file)
    if not isinstance(document.data, dict):
        raise InputError(Fault(str(file), "not a mapping", "write NETWORK: {AREA: DAYS}"))
    areas = {network.network: [item.area for item in network.items] for network in estimate.networks}
    faults: list[Fault] = []
    for name, given in document.data.items():
        if name not in areas:
            faults.append(located(document, (name,), f"no such network{did_you_mean(name, areas)}"))
        elif not isinstance(given, dict):
            faults.append(located(document, (name,), "not a mapping of areas to days"))
        else:
            for area, days in given.items():
                if area not in areas[name]:
                    what = f"no such area{did_you_mean(area, areas[name])}"
                    faults.append(located(document, (name, area), what))
                elif not _is_days(days):
                    faults.append(located(document, (name, area), f"{days!r} is no number of days from 0"))
    if faults:
        raise InputError(*faults)
    return document.data


def _is_days(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
