"""What the roofline, or the rule of practice, gives a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.roofline import bandwidth_of, find_engine, known_peaks
from deploykit.artifacts.costs import NodeCost, SchemeCost
from deploykit.artifacts.precision import ACTIVATION_BITS, WEIGHT_BITS, Scheme, is_integer
from deploykit.core.profile import ChipProfile
from deploykit.stages.precision.params import PrecisionParams, Thresholds

Pick: TypeAlias = Callable[[NodeCost, Sequence[Scheme]], tuple[Scheme, str]]
"""Gives one of the allowed schemes (at least one) for a layer, and the sentence that says why."""

NEAREST: dict[Scheme, tuple[Scheme, ...]] = {
    "w4a16": ("w4a16", "w8a16", "w8a8", "w4a8", "float16", "float32"),
    "w4a8": ("w4a8", "w8a8", "w4a16", "w8a16", "float16", "float32"),
}
"""What comes closest to a scheme: first those of its activations, then of its weights."""


def policy_of(profile: ChipProfile, params: PrecisionParams) -> Pick:
    """Give the function that picks a layer's scheme."""
    profile = fill_blanks(profile, at="typical").profile  # as the costs were predicted
    if params.policy == "thresholds":
        return lambda cost, allowed: by_thresholds(cost, allowed, profile, params.thresholds)
    return lambda cost, allowed: by_intensity(cost, allowed, profile)


def by_intensity(cost: NodeCost, allowed: Sequence[Scheme], profile: ChipProfile) -> tuple[Scheme, str]:
    """Pick by the ridge points of the layer's engine, one for each pair of weights and activations.

    Below the ridge of the best scheme on 16-bit activations a layer waits for memory, and the wider
    activations cost no time; where weights are most of its bytes, they hardly cost traffic. Otherwise the
    fastest scheme on 8-bit activations, of equal ones that with the most bits of weights.
    """
    wide = _fastest(cost, [s for s in allowed if is_integer(s) and ACTIVATION_BITS[s] == 16])
    narrow = _fastest(cost, [s for s in allowed if is_integer(s) and ACTIVATION_BITS[s] == 8])
    if wide is not None and narrow is not None:
        at = cost.at(wide)
        smaller = WEIGHT_BITS[wide] <= WEIGHT_BITS[narrow]
        if smaller and at.intensity < _ridge(cost, wide, profile) and 2 * at.weight_bytes >= at.traffic_bytes:
            share = f"weights are {100 * at.weight_bytes / at.traffic_bytes:.0f} % of its bytes"
            return wide, f"{_stands(cost, wide, profile)}, and {share}: small weights, safe activations."
    chosen = narrow or wide or _fastest(cost, allowed) or allowed[0]
    return chosen, f"{_stands(cost, chosen, profile)}; the fastest of {', '.join(allowed)}."


def by_thresholds(
    cost: NodeCost, allowed: Sequence[Scheme], profile: ChipProfile, borders: Thresholds
) -> tuple[Scheme, str]:
    """Pick w4a16 for what is low, w4a8 for what is high, and leave the rest to the roofline."""
    tops = chip_tops(profile)
    moved = cost.weight_elements + cost.activation_read_elements + cost.activation_write_elements
    density = cost.macs / moved if moved else 0.0
    layer = f"{density:.3g} MACs per element moved"
    low = [layer] if density < borders.low_macs_per_element else []
    high = [layer] if density >= borders.high_macs_per_element else []
    low += [f"a chip of {tops:.3g} TOPS"] if tops <= borders.small_chip_tops else []
    high += [f"a chip of {tops:.3g} TOPS"] if tops >= borders.large_chip_tops else []
    if bool(low) == bool(high):
        scheme, reason = by_intensity(cost, allowed, profile)
        return scheme, f"Between the thresholds ({', '.join((*low, *high)) or layer}): {reason}"
    wanted: Scheme = "w4a16" if low else "w4a8"
    scheme = next(near for near in NEAREST[wanted] if near in allowed)
    lacks = "" if scheme == wanted else f"; {scheme} is the nearest to {wanted} that it may take"
    return scheme, f"{'Low' if low else 'High'} by the thresholds: {', '.join(low or high)}{lacks}."


def chip_tops(profile: ChipProfile) -> float:
    """Give the chip's 8-bit (else best) peak in 1e12 operations per second, without its CPUs and DSPs."""
    total = 0.0
    for engine in profile.engines:
        peaks = [engine.peak_of("w8a8").value, *(peak.value for peak in engine.peak_ops_per_s.values())]
        known = [peak for peak in peaks if peak is not None]
        if engine.kind in ("npu", "gpu", "dla") and known:
            total += engine.count * known[0]
    return total / 1e12


def _fastest(cost: NodeCost, schemes: Sequence[Scheme]) -> Scheme | None:
    return min(schemes, key=lambda scheme: _rank(cost, scheme), default=None)


def _rank(cost: NodeCost, scheme: Scheme) -> tuple[float, int]:
    return cost.at(scheme).time_s, -WEIGHT_BITS[scheme]


def _ridge(cost: NodeCost, scheme: Scheme, profile: ChipProfile) -> float:
    """Give a scheme's ridge point on the layer's engine, in operations per byte."""
    return known_peaks(profile, find_engine(profile, cost.engine))[scheme] / bandwidth_of(profile)


def _stands(cost: NodeCost, scheme: Scheme, profile: ChipProfile) -> str:
    at: SchemeCost = cost.at(scheme)
    ridge = _ridge(cost, scheme, profile)
    waits, side = ("memory", "below") if at.intensity < ridge else ("arithmetic", "above")
    intensity = f"{at.intensity:.3g} operations a byte at {scheme}"
    return f"Waits for {waits}: {intensity}, {side} the ridge of {ridge:.3g}"
