"""`deploykit runs`: the history of a pipeline's folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploykit.cli.options import format_option, pipeline_argument, store_of, workspace_option
from deploykit.core.codec import to_plain
from deploykit.core.errors import input_error
from deploykit.pipeline.history import Manifest, RunDifference, compare_runs, find_run, manifests
from deploykit.pipeline.records import Records


@click.command("runs")
@pipeline_argument
@click.argument("names", nargs=-1, metavar="[RUN [RUN]]")
@workspace_option
@format_option
def command(pipeline: Path, names: tuple[str, ...], workspace: Path | None, form: str) -> None:
    """List the runs of PIPELINE's folder, show one, or put two side by side.

    RUN is a run's id, a part of it that no other has, or `last`.
    """
    store = store_of(pipeline, workspace)
    if len(names) > 2:
        raise input_error("runs", "one run can be shown, or two compared", "name at most two")
    if not names:
        runs = list(manifests(store))
        print(json.dumps([to_plain(run) for run in runs], indent=2) if form == "json" else _list(runs))
        return
    found = [find_run(store, name) for name in names]
    if len(found) == 1:
        print(json.dumps(to_plain(found[0]), indent=2) if form == "json" else _one(found[0]))
        return
    difference = compare_runs(Records(store), found[0], found[1])
    print(json.dumps(to_plain(difference), indent=2) if form == "json" else _two(difference))


def _list(runs: list[Manifest]) -> str:
    if not runs:
        return "no runs yet"
    lines = [f"{'run':<21} {'pipeline':<24} {'chip':<12} {'ended':<8} {'seconds':>8}  steps"]
    for run in runs:
        ran = sum(step.state == "ran" for step in run.steps)
        cached = sum(step.state == "cached" for step in run.steps)
        lines.append(
            f"{run.id:<21} {run.pipeline:<24} {run.chip:<12} {run.status:<8} {run.seconds:8.1f}  "
            f"{ran} ran, {cached} cached"
        )
    return "\n".join(lines)


def _one(run: Manifest) -> str:
    lines = [
        f"run       {run.id} of {run.pipeline} on {run.chip}, {run.status}",
        f"started   {run.started}, {run.seconds:.1f} s ({run.cpu_seconds:.1f} s of CPU here)",
        f"command   deploykit {' '.join(run.argv)}",
        f"versions  {', '.join(f'{name} {version}' for name, version in run.versions)}",
    ]
    if run.message:
        lines.append(f"message   {run.message}")
    lines += [f"  {step.step:<24} {step.state:<7} {step.seconds:8.1f} s  {step.why}" for step in run.steps]
    lines += [f"  {metric.name:<48} {metric.value:12.6g}" for metric in run.metrics]
    return "\n".join(lines)


def _two(difference: RunDifference) -> str:
    lines = [f"{difference.first} -> {difference.second}", ""]
    lines += [f"  {step:<24} {what}" for step, what in difference.steps] or [
        "  the same steps, with the same keys"
    ]
    lines += ["", f"  {'figure':<44} {'first':>12} {'second':>12} {'change':>12}"]
    for name, first, second in difference.metrics:
        lines.append(f"  {name:<44} {first:12.6g} {second:12.6g} {second - first:+12.4g}")
    return "\n".join(lines)
