"""What would make a network faster: each change costed again by the cost model, never by a rule of thumb."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from deploykit.analysis.graph_work import WorkSettings
from deploykit.analysis.roofline import bandwidth_of, cost_nodes
from deploykit.analysis.storage_roots import ELEMENTWISE
from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.costs import Bound, SchemeCost
from deploykit.artifacts.model import Partition
from deploykit.core.profile import ChipProfile, EngineProfile, Quantity, SchemeName, SchemeOffer

ENOUGH = 0.01
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
LARGEST_SCALE = 1024.0
STRIDE, STEPS = 4.0, 8
FOUR_BITS: dict[str, SchemeName] = {"w8a8": "w4a8", "float16": "w4a16"}
MOST_NODES = 5


@dataclass(frozen=True)
class Planned:
    """A cut network, the chip without blanks, and each node's scheme by its id.

    `others` are the plans for the main engine's other schemes, in the same form.
    """

    partition: Partition
    profile: ChipProfile
    schemes: Mapping[str, str]
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: WorkSettings | None = None

    def on(self, profile: ChipProfile) -> Planned:
        """Give the same network on another chip."""
        return dataclasses.replace(self, profile=profile)

    def costs(self) -> dict[str, SchemeCost]:
        """Cost every node at its scheme."""
        found: dict[str, SchemeCost] = {}
        for segment in self.partition.segments:
            costs = cost_nodes(segment.graph, self.profile, engine=segment.engine, settings=self.settings)
            found |= {node.node: node.at(self.schemes.get(node.node, "")) for node in costs}
        return found

    def time_s(self) -> float:
        """Give the time of one run."""
        return sum(cost.time_s for cost in self.costs().values())


def advise(planned: Planned) -> tuple[Advice, ...]:
    """Try each change alone; those that save time, the best first."""
    now = planned.costs()
    tried = [compared(what, now, then.costs()) for what, then in _changes(planned)]
    return tuple(sorted((advice for advice in tried if advice), key=lambda advice: advice.after_s))


def compared(
    what: str, now: Mapping[str, SchemeCost], then: Mapping[str, SchemeCost], *, per: int = 1
) -> Advice | None:
    """Put two costings of the same nodes side by side; None where the second one saves nothing.

    `then` does the work of `per` runs at once. Nodes that are not the same cannot be compared: None.
    """
    if now.keys() != then.keys():
        return None
    gains = {node: cost.time_s - then[node].time_s / per for node, cost in now.items()}
    winners = sorted((node for node in gains if gains[node] > 0), key=lambda node: -gains[node])
    if sum(gains.values()) <= 0:
        return None
    by_bound: dict[Bound, float] = {}
    for node in winners:
        by_bound[now[node].bound] = by_bound.get(now[node].bound, 0.0) + gains[node]
    return Advice(
        what=what,
        bound=max(by_bound, key=lambda bound: by_bound[bound]),
        before_s=sum(cost.time_s for cost in now.values()),
        after_s=sum(cost.time_s for cost in then.values()) / per,
        nodes=tuple(winners[:MOST_NODES]),
        node_count=len(winners),
    )


def headrooms(planned: Planned, scheme: str) -> tuple[Headroom, ...]:
    """Follow the time over the main engine's peak at `scheme`, and over the bandwidth."""
    peak = planned.profile.engines[0].peak_of(scheme).value
    found = [_headroom("bandwidth", "B/s", bandwidth_of(planned.profile), planned, _with_bandwidth)]
    if peak is not None:
        found.insert(0, _headroom("peak", "ops/s", peak, planned, _with_peak))
    return tuple(found)


def _changes(planned: Planned) -> Iterator[tuple[str, Planned]]:
    """Give each change as a sentence, with the network and the chip under it."""
    main = planned.profile.engines[0]
    fused = tuple(dict.fromkeys((*main.fuses, *sorted(ELEMENTWISE))))
    yield (
        "fuse every elementwise operator into the layer before it",
        planned.on(_with_main(planned.profile, dataclasses.replace(main, fuses=fused))),
    )
    yield "4-bit weights, unpacked on the way in", _four_bit_weights(planned)
    for scheme, schemes in planned.others.items():
        yield f"{scheme} wherever the rules allow it", dataclasses.replace(planned, schemes=schemes)
    yield "twice the speed, as 2:4 sparsity or half the MACs give", planned.on(_with_peak(planned.profile, 2))
    if main.count > 1:
        yield (
            f"split over all {main.count} {main.name}, without loss",
            planned.on(_with_peak(planned.profile, main.count)),
        )


def _four_bit_weights(planned: Planned) -> Planned:
    """Let every engine hold weights at 4 bits and compute as before."""
    engines = []
    for engine in planned.profile.engines:
        had = {offer.scheme for offer in engine.offers}
        new = tuple(
            SchemeOffer(to, computes_as=offer.computes_as)
            for offer in engine.offers
            if (to := FOUR_BITS.get(offer.scheme)) is not None and to not in had
        )
        engines.append(dataclasses.replace(engine, schemes=(*engine.schemes, *new)))
    schemes = {node: FOUR_BITS.get(scheme, scheme) for node, scheme in planned.schemes.items()}
    profile = dataclasses.replace(planned.profile, engines=tuple(engines))
    return dataclasses.replace(planned, profile=profile, schemes=schemes)


def _headroom(
    figure: str, unit: str, now: float, planned: Planned, scaled: Callable[[ChipProfile, float], ChipProfile]
) -> Headroom:
    @cache  # the scales that are shown are also those that the search begins with
    def time_s(scale: float) -> float:
        return planned.on(scaled(planned.profile, scale)).time_s()

    return Headroom(
        figure=figure,
        unit=unit,
        now=now,
        times_s=tuple((now * scale, time_s(scale)) for scale in SCALES),
        enough=_enough(now, time_s),
    )


def _enough(now: float, time_s: Callable[[float], float]) -> float | None:
    """Search, from 1 outward and then by bisection, for the value beyond which less than 1 % is to gain."""
    least = time_s(LARGEST_SCALE)

    def enough(scale: float) -> bool:
        return time_s(scale) * (1 - ENOUGH) <= least

    if not enough(LARGEST_SCALE / 2):
        return None
    high = 1.0
    while not enough(high):
        high *= STRIDE
    low = high / STRIDE
    while low > 1 / LARGEST_SCALE and enough(low):
        low, high = low / STRIDE, low
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if enough(middle) else (middle, high)
    return now * high


def _with_main(profile: ChipProfile, main: EngineProfile) -> ChipProfile:
    return dataclasses.replace(profile, engines=(main, *profile.engines[1:]))


def _with_peak(profile: ChipProfile, scale: float) -> ChipProfile:
    main = profile.engines[0]
    peaks = {name: _scaled(peak, scale) for name, peak in main.peak_ops_per_s.items()}
    calibration = tuple(
        dataclasses.replace(item, peak_ops_per_s=item.peak_ops_per_s * scale)
        if item.engine == main.name
        else item
        for item in profile.calibration
    )
    faster = _with_main(profile, dataclasses.replace(main, peak_ops_per_s=peaks))
    return dataclasses.replace(faster, calibration=calibration)


def _with_bandwidth(profile: ChipProfile, scale: float) -> ChipProfile:
    bandwidth = _scaled(profile.dram.bandwidth_bytes_per_s, scale)
    calibration = []
    for item in profile.calibration:
        own = item.rates.bandwidth_bytes_per_s * scale
        rates = dataclasses.replace(item.rates, bandwidth_bytes_per_s=own)
        calibration.append(dataclasses.replace(item, rates=rates))
    return dataclasses.replace(
        profile,
        dram=dataclasses.replace(profile.dram, bandwidth_bytes_per_s=bandwidth),
        calibration=tuple(calibration),
    )


def _scaled(quantity: Quantity, scale: float) -> Quantity:
    value = None if quantity.value is None else quantity.value * scale
    return dataclasses.replace(quantity, value=value)
