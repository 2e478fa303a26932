"""All networks on all chips: what shares a chip, what fits, which chip is the best and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from deploykit.artifacts.assessment import (
    Assessment,
    ChipAssessment,
    NetworkAssessment,
    OrderCost,
    Refusal,
    Sharing,
)
from deploykit.core.errors import Fault, InputError
from deploykit.core.profile import ChipProfile
from deploykit.stages.assess.advice import advice_for
from deploykit.stages.assess.network import Draft, assess_network
from deploykit.stages.assess.read import ReadNetwork
from deploykit.stages.schedule import NetworkWork, Rate, ScheduleParams, schedule_graphs

METHOD = "list schedule, checked over the period that the rates repeat in (2 s at most)"


def assess_chips(
    networks: Sequence[ReadNetwork],
    profiles: Sequence[ChipProfile],
    *,
    scheme: str = "",
    orders: int = 0,
    advise: bool = False,
) -> Assessment:
    """Assess every network on every chip, the best chip first; `advise` adds what would make them faster.

    A chip on which a network cannot be assessed says why.

    Raises:
        InputError: no network can be assessed on any chip.
    """
    faults: list[Fault] = []
    chips = [_assess_chip(networks, profile, scheme, orders, advise, faults) for profile in profiles]
    if not any(chip.networks for chip in chips):
        raise InputError(*dict.fromkeys(faults))
    ranked = sorted(chips, key=_rank)
    return Assessment(
        tuple(dataclasses.replace(chip, reasons=tuple(_reasons(chip, ranked[0]))) for chip in ranked)
    )


def _assess_chip(
    networks: Sequence[ReadNetwork],
    profile: ChipProfile,
    scheme: str,
    orders: int,
    advise: bool,
    faults: list[Fault],
) -> ChipAssessment:
    answers: list[NetworkAssessment] = []
    drafts: list[tuple[ReadNetwork, NetworkAssessment, Draft]] = []
    refused: list[Refusal] = []
    for network in networks:
        try:
            answer, made = assess_network(network, profile=profile, scheme=scheme)
        except InputError as error:
            faults += error.faults
            refused.append(Refusal(network.network, "; ".join(map(str, error.faults))))
            continue
        if advise:
            advice, room = advice_for(network, made, profile=profile)
            answer = dataclasses.replace(answer, advice=advice, headrooms=room)
        answers.append(answer)
        drafts.append((network, answer, made))
    size = profile.dram.size_bytes.value
    return ChipAssessment(
        chip=profile.name,
        title=profile.title,
        networks=tuple(answers),
        refused=tuple(refused),
        sharing=tuple(_sharings(drafts, profile)),
        dram_size_bytes=None if size is None else int(size),
        orders=orders,
        costs=tuple(_costs(profile, orders)),
        power=tuple((mode.mode, mode.power_w) for mode in profile.power),
    )


def _costs(profile: ChipProfile, orders: int) -> Iterator[OrderCost]:
    """Give each item's price for the largest quantity that the order reaches."""
    for item in dict.fromkeys(price.item for price in profile.prices):
        reached = [price for price in profile.prices if price.item == item and price.quantity <= orders]
        if reached:
            price = max(reached, key=lambda price: price.quantity)
            yield OrderCost(orders, item, price.unit_price, price.currency, price.source)


def _sharings(
    drafts: Sequence[tuple[ReadNetwork, NetworkAssessment, Draft]], profile: ChipProfile
) -> Iterator[Sharing]:
    """Schedule the networks that have rates: one schedule for each binding of the sizes."""
    rated = [item for item in drafts if item[0].rate_hz is not None]
    variants: dict[str, list[tuple[ReadNetwork, NetworkAssessment, Draft]]] = {}
    for item in rated:
        variants.setdefault(item[0].network, []).append(item)
    for number in range(max(map(len, variants.values()), default=0)):
        chosen = [items[min(number, len(items) - 1)] for items in variants.values()]
        yield _sharing(chosen, profile)


def _sharing(chosen: Sequence[tuple[ReadNetwork, NetworkAssessment, Draft]], profile: ChipProfile) -> Sharing:
    rates = {network.network: Rate(network.rate_hz or 0.0) for network, _, _ in chosen}
    work = tuple(NetworkWork(made.partition, made.costs, made.plan) for _, _, made in chosen)
    schedule = schedule_graphs(work, profile=profile, params=ScheduleParams(rates=rates))
    return Sharing(
        rates_hz=tuple((answer.label, network.rate_hz or 0.0) for network, answer, _ in chosen),
        demand=tuple(_demand(chosen, profile).items()),
        feasible=schedule.feasible,
        method=METHOD,
        notices=schedule.notices,
    )


def _demand(
    chosen: Sequence[tuple[ReadNetwork, NetworkAssessment, Draft]], profile: ChipProfile
) -> dict[str, float]:
    """Give the share of its time that each kind of engine needs: sum of rate x time / count."""
    found: dict[str, float] = {}
    for network, _, made in chosen:
        engine_of = {segment.name: segment.engine for segment in made.partition.segments}
        for total in made.costs.segment_totals(made.plan.scheme_of()):
            name = engine_of[total.segment]
            count = profile.engine(name).count
            found[name] = found.get(name, 0.0) + (network.rate_hz or 0.0) * total.time_s / count
    return found


def _rank(chip: ChipAssessment) -> tuple[int, int, int, float]:
    late = sum(not sharing.feasible for sharing in chip.sharing)
    return len(chip.refused), late, chip.fits is False, chip.latency_s


def _reasons(chip: ChipAssessment, first: ChipAssessment) -> Iterator[str]:
    """Say what decides a chip's place; `first` is the best one."""
    if chip is not first and not chip.refused and first.latency_s > 0:
        yield f"{chip.latency_s / first.latency_s:.3g} times the latency of {first.chip}"
    for refusal in chip.refused:
        yield f"{refusal.network} could not be assessed: {refusal.reason}"
    for sharing in chip.sharing:
        yield _sharing_reason(sharing)
    if chip.dram_size_bytes is not None and chip.dram_bytes > chip.dram_size_bytes:
        yield f"too little memory: {chip.dram_bytes / 1e6:.0f} MB of {chip.dram_size_bytes / 1e6:.0f} MB"


def _sharing_reason(sharing: Sharing) -> str:
    shares = ", ".join(f"{100 * share:.1f} % of {engine}" for engine, share in sharing.demand)
    rates = ", ".join(f"{label} at {rate:g}/s" for label, rate in sharing.rates_hz)
    if sharing.feasible:
        return f"holds {rates}: {shares}"
    return f"does not hold {rates}: {shares}" + "".join(f"; {notice}" for notice in sharing.notices)
