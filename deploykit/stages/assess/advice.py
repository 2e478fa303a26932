"""Advice for a network on a chip: the changes of `analysis.advice`, and those that cut the network anew."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.analysis.advice import Planned, advise, compared, headrooms
from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.graph_work import CustomCost, WorkSettings
from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.costs import CostReport, SchemeCost
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import ChipProfile
from deploykit.stages.assess.network import (
    Draft,
    all_on_main,
    draft,
    node_schemes,
    plan_of,
    unknown_operators,
)
from deploykit.stages.assess.read import ReadNetwork, larger_batch

BATCH = 4


def advice_for(
    network: ReadNetwork, made: Draft, *, profile: ChipProfile
) -> tuple[tuple[Advice, ...], tuple[Headroom, ...]]:
    """Give what would make a run faster, the best first, and where more of the chip would gain nothing."""
    planned = Planned(
        partition=made.partition,
        profile=fill_blanks(profile, at="typical").profile,
        schemes=made.plan.scheme_of(),
        others={scheme: plan.scheme_of() for scheme, plan in made.plans[1:]},
        settings=WorkSettings(
            {name: CustomCost() for name in unknown_operators(network.graph)}, dict(network.trip_counts)
        ),
    )
    advice = sorted((*advise(planned), *_recut(network, made, profile)), key=lambda item: item.after_s)
    return tuple(advice), headrooms(planned, made.scheme)


def _recut(network: ReadNetwork, made: Draft, profile: ChipProfile) -> Iterator[Advice]:
    now = _by_node(made.costs, made.plan)
    main = profile.engines[0].name
    if any(node.engine != main for node in made.costs.nodes):
        then = _by_node(*all_on_main(network, made.scheme, profile))
        if found := compared(f"every operator on {main}", now, then):
            yield found
    larger = larger_batch(network, BATCH)
    if larger is not None:
        partition, costs = draft(larger, profile)
        then = _by_node(costs, plan_of(made.scheme, partition, costs, profile))
        if found := compared(f"a batch {BATCH} times as large, by item", now, then, per=BATCH):
            yield found


def _by_node(costs: CostReport, plan: PrecisionPlan) -> dict[str, SchemeCost]:
    return {node.node: cost for node, cost in node_schemes(costs, plan)}
