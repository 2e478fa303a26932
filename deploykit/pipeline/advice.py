"""What would make a pipeline's networks faster: made of the artifacts when a page is written."""

from __future__ import annotations

import dataclasses

from deploykit.analysis.advice import Planned, advise, headrooms
from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.graph_work import WorkSettings
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition
from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.pipeline.context import Context
from deploykit.stages.precision import plan_precision


def with_advice(context: Context, results: RunResults) -> RunResults:
    """Add advice and headroom to every network that was cut and costed."""
    networks = tuple(_advised(context, network) for network in results.networks)
    return dataclasses.replace(results, networks=networks)


def _advised(context: Context, network: NetworkResults) -> NetworkResults:
    partition, costs = network.partition, network.costs
    if partition is None or costs is None or not costs.nodes:
        return network
    analyze = context.config.networks[network.network].options["analyze"]
    plans = _plans(context, network.network, partition, costs)
    own = context.config.networks[network.network].options["precision"].scheme
    scheme = own if own in plans else next(iter(plans))
    planned = Planned(
        partition=partition,
        profile=fill_blanks(context.profile, at="typical").profile,
        schemes=network.plan.scheme_of() if network.plan else plans[scheme],
        others={name: schemes for name, schemes in plans.items() if name != scheme},
        settings=WorkSettings(analyze.custom_costs, analyze.trip_counts, analyze.accounting),
    )
    return dataclasses.replace(network, advice=advise(planned), headrooms=headrooms(planned, scheme))


def _plans(
    context: Context, network: str, partition: Partition, costs: CostReport
) -> dict[str, dict[str, str]]:
    """Give each node's scheme under a plan for each scheme of the main engine."""
    params = context.config.networks[network].options["precision"]
    main = context.profile.engines[0]
    found: dict[str, dict[str, str]] = {}
    for scheme in main.peak_ops_per_s:
        wanted = dataclasses.replace(params, policy="plain", scheme=scheme)
        plan = plan_precision(partition, costs, profile=context.profile, params=wanted)
        found[scheme] = dict(plan.scheme_of())
    return found
