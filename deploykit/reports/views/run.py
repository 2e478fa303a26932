"""The whole view of a run."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.artifacts.model import Equality
from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.reports.views import costs, segments
from deploykit.reports.views.chip import chip_numbers
from deploykit.reports.views.cross_check import cross_check_view
from deploykit.reports.views.dumps import dumps_view
from deploykit.reports.views.memory import memory_view
from deploykit.reports.views.nouns.run import EqualityRow, NetworkView, Notice, RunView
from deploykit.reports.views.numbers import finite
from deploykit.reports.views.precision import sensitivity_view, tradeoff_view
from deploykit.reports.views.schedule import rate_verdict, schedule_view
from deploykit.reports.views.simulation import simulation_lines
from deploykit.reports.views.tasks import task_view


def run_view(results: RunResults) -> RunView:
    """Compute all that a run's table and page show; steps that were not run leave their part empty."""
    return RunView(
        pipeline=results.pipeline,
        chip=results.chip.name,
        chip_title=results.chip.title,
        chip_numbers=chip_numbers(results.chip),
        chip_notes=results.chip.notes,
        started=results.started,
        networks=tuple(_network_view(result, results) for result in results.networks),
        task=task_view(results.evaluation),
        schedule=schedule_view(results.schedule),
        equalities=tuple(row for result in results.networks for row in _equalities(result)),
        notices=tuple(_notices(results)),
        steps=results.steps,
        step_seconds=sum(step.seconds for step in results.steps),
        versions=results.versions,
    )


def _network_view(result: NetworkResults, results: RunResults) -> NetworkView:
    rows = costs.node_rows(result)
    time_s = sum(row.time_s for row in rows) if rows else None
    interval = result.costs.interval if result.costs else None
    return NetworkView(
        network=result.network,
        nodes_count=_nodes_count(result),
        macs=sum(row.macs for row in rows) if rows else None,
        time_s=time_s,
        frames_per_s=1 / time_s if time_s else None,
        traffic_bytes=sum(row.traffic_bytes for row in rows) if rows else None,
        weight_bytes=costs.weight_bytes(result),
        uniform=costs.uniform_times(result.costs, results.chip),
        rate=rate_verdict(results.schedule, result.network),
        fallbacks=costs.fallbacks(result, rows, results.chip),
        segments=segments.segment_rows(result, rows),
        nodes=rows,
        workless_nodes=sum(row.rate_ops_per_s is None or not row.intensity for row in rows),
        roofs=costs.roof_lines(
            result.costs.roofs if result.costs else (),
            [row.intensity for row in rows if row.intensity and row.operations],
            {engine.name: engine.count for engine in results.chip.engines},
        ),
        hot=costs.hot_nodes(rows),
        ops=costs.op_totals(rows),
        precision=segments.precision_groups(result, rows),
        memory=memory_view(result.memory, results.chip, result.replay),
        dumps=dumps_view(result),
        low_s=time_s * interval.low_factor if time_s and interval else None,
        high_s=time_s * interval.high_factor if time_s and interval else None,
        spec_s=costs.spec_time_s(result),
        interval_reasons=interval.reasons if interval else (),
        simulation=simulation_lines(result),
        advice=result.advice,
        headrooms=result.headrooms,
        sensitivity=sensitivity_view(result.sensitivity),
        tradeoff=tradeoff_view(result.plan.tradeoff if result.plan else None),
        cross_check=cross_check_view(result),
    )


def _nodes_count(result: NetworkResults) -> int | None:
    if result.partition is not None:
        return sum(len(segment.graph.nodes) for segment in result.partition.segments)
    return len(result.model.graph.nodes) if result.model else None


def _equalities(result: NetworkResults) -> Iterator[EqualityRow]:
    checks: tuple[tuple[str, Equality | None], ...] = (
        ("exported model = source", result.model.equality if result.model else None),
        ("chain of segments = whole", result.partition.equality if result.partition else None),
        ("quantized chain = whole", result.quantized.equality if result.quantized else None),
    )
    for subject, found in checks:
        if found is not None:
            yield EqualityRow(
                result.network, subject, found.runs, found.bit_equal, finite(found.max_abs), found.where
            )


def _notices(results: RunResults) -> Iterator[Notice]:
    if results.data_notice:
        yield Notice("data", results.data_notice)
    for result in results.networks:
        for step, artifact in (
            ("export", result.model),
            ("split", result.partition),
            ("analyze", result.costs),
            ("sensitivity", result.sensitivity),
            ("precision", result.plan),
            ("quantize", result.quantized),
            ("compile", result.binaries),
            ("memory", result.memory),
            ("memory_replay", result.replay),
        ):
            for text in artifact.notices if artifact else ():
                yield Notice(f"{result.network}.{step}", text)
    for text in results.schedule.notices if results.schedule else ():
        yield Notice("schedule", text)
    for text in results.blocks.notices if results.blocks else ():
        yield Notice("memory_blocks", text)
    for text in results.evaluation.notices if results.evaluation else ():
        yield Notice("evaluate", text)
