"""The figures of a run that its manifest keeps, so that two runs can be put side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator

from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.pipeline.history import Metric


def figures(results: RunResults) -> tuple[Metric, ...]:
    """Give a run's figures by dotted name; undefined ones are left out."""
    return tuple(Metric(name, value) for name, value in _figures(results) if math.isfinite(value))


def _figures(results: RunResults) -> Iterator[tuple[str, float]]:
    for network in results.networks:
        for name, value in _network_figures(network):
            yield f"{network.network}.{name}", value
    if results.schedule is not None:
        for use in results.schedule.engines:
            yield f"schedule.{use.engine}{use.engine_index}.utilisation", use.utilisation
    if results.evaluation is not None:
        for metric in results.evaluation.metrics:
            yield f"evaluate.{metric.name}.float", metric.float_value
            yield f"evaluate.{metric.name}.quantized", metric.quantized_value


def _network_figures(network: NetworkResults) -> Iterator[tuple[str, float]]:
    if network.costs is not None and network.plan is not None:
        totals = network.costs.segment_totals(network.plan.scheme_of())
        yield "predicted_ms", 1e3 * sum(total.time_s for total in totals)
        yield "gmacs", 1e-9 * sum(total.macs for total in totals)
        yield "weight_mb", 1e-6 * sum(total.weight_bytes for total in totals)
    if network.memory is not None:
        yield "arena_mb", 1e-6 * sum(arena.size_bytes for arena in network.memory.arenas)
    if network.comparison is not None and network.comparison.tensors:
        yield "worst_sqnr_db", min(tensor.sqnr_db for tensor in network.comparison.tensors)
