"""From rules, the user's wishes and a policy to a scheme for each node."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from deploykit.analysis.float_rules import FLOAT_RULES
from deploykit.analysis.flow import NetworkFlow, all_nodes
from deploykit.analysis.fusion import fused_tensors
from deploykit.analysis.layer_units import joined_units, layer_units
from deploykit.analysis.storage_types import plan_of
from deploykit.analysis.weight_rules import EIGHT_BITS, eight_bit_layers
from deploykit.artifacts.costs import CostReport, NodeCost
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import (
    Granularity,
    NodePrecision,
    PrecisionPlan,
    Scheme,
    Tradeoff,
    default_granularity,
    is_integer,
)
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.core.profile import ChipProfile
from deploykit.stages.precision.allowed import (
    MEANT,
    Offer,
    allowed_schemes,
    exceptions_by_node,
    offer_of,
)
from deploykit.stages.precision.budget import by_budget
from deploykit.stages.precision.groups import Allowed, Group, Planned, groups_of, width, with_followers
from deploykit.stages.precision.params import PrecisionParams, SchemeException
from deploykit.stages.precision.policies import Pick, policy_of


def plan_network_precision(
    partition: Partition,
    costs: CostReport,
    sensitivity: Sensitivity | None = None,
    *,
    profile: ChipProfile,
    params: PrecisionParams,
) -> PrecisionPlan:
    """Do what `plan_precision` says."""
    flow = NetworkFlow(partition)
    node_costs = {cost.node: cost for cost in costs.nodes}
    marks = [(rule.__doc__ or "", rule(flow)) for rule in FLOAT_RULES]
    ruled = {node: doc.splitlines()[0] for doc, found in reversed(marks) for node in found.nodes}
    nodes = [node for segment in partition.segments for node in all_nodes(segment.graph)]
    offers = {node.id: offer_of(node, node_costs.get(node.id), profile) for node in nodes}
    asked = exceptions_by_node(flow, params)
    allowed = allowed_schemes(flow, offers, params)
    planned = _fixed(flow, offers, asked, ruled)
    tradeoff: Tradeoff | None = None
    free = [node.id for node in flow.nodes if node.id not in planned]
    if params.policy == "plain":
        plain = {node: _default(offers[node], allowed[node], params) for node in free}
        planned |= plain | _with_eight_bits(flow, plain, allowed)
    else:
        units = layer_units(flow, [node for node in free if any(map(is_integer, allowed[node]))])
        groups = groups_of(joined_units(flow, units), allowed)
        if params.policy == "budget":
            nothing = Sensitivity(partition.network, "off", "noise", 0, (), ())
            chosen, tradeoff = by_budget(groups, node_costs, allowed, sensitivity or nothing, params.budget)
        else:
            chosen = _by_policy(groups, node_costs, allowed, policy_of(profile, params))
        planned |= chosen
        planned |= {node: _float(offers[node], allowed[node]) for node in free if node not in planned}
    schemes = {node: scheme for node, (scheme, _) in planned.items()}
    found = tuple(
        NodePrecision(node.id, *planned[node.id], _granularity(profile, offers[node.id], schemes[node.id]))
        for node in nodes
    )
    notices = [*_notices(partition, asked, schemes), *_said(tradeoff)]
    fused = fused_tensors(partition, {node: profile.engine(offer.engine) for node, offer in offers.items()})
    return dataclasses.replace(plan_of(flow, found, tuple(notices)), tradeoff=tradeoff, fused=fused)


def _fixed(
    flow: NetworkFlow,
    offers: Mapping[str, Offer],
    asked: Mapping[str, SchemeException],
    ruled: Mapping[str, str],
) -> dict[str, Planned]:
    """Give the nodes whose scheme no policy decides: asked for, ruled, or inside a subgraph."""
    found: dict[str, Planned] = {}
    top = {node.id for node in flow.nodes}
    for node, offer in offers.items():
        if node not in top:
            found[node] = offer.best_float, "Stands inside a subgraph."
        elif node in asked:
            exception = asked[node]
            found[node] = _offered(
                offer, exception.scheme, f"Asked for by the exception {exception.match!r}."
            )
        elif node in ruled:
            found[node] = offer.best_float, ruled[node]
    return found


def _with_eight_bits(
    flow: NetworkFlow, planned: Mapping[str, Planned], allowed: Mapping[str, Sequence[Scheme]]
) -> dict[str, Planned]:
    """Give those of the 4-bit layers that should keep 8-bit weights, where they may; activations stay."""
    found: dict[str, Planned] = {}
    for node, reason in eight_bit_layers(flow).items():
        wider = EIGHT_BITS.get(planned[node][0]) if node in planned else None
        if wider is not None and wider in allowed[node]:
            found[node] = wider, f"{planned[node][0]} but for its weights: {reason}"
    return found


def _default(offer: Offer, allowed: Sequence[Scheme], params: PrecisionParams) -> Planned:
    wanted = MEANT.get(params.scheme, (params.scheme,))
    if tuple(allowed) != offer.schemes and not set(wanted).intersection(allowed):
        return allowed[0], f"Allowed here: {', '.join(allowed)}."
    return _offered(offer, params.scheme, f"The default scheme is {params.scheme}.")


def _offered(offer: Offer, wanted: str, reason: str) -> Planned:
    """Turn a wish into what the node's engine has."""
    if wanted == "float":
        return offer.best_float, reason
    for scheme in offer.schemes:
        if scheme == wanted:
            return scheme, reason
    lacks = f"The engine {offer.engine} has no {wanted}"
    return offer.best_float, f"{lacks} (wanted: {reason.rstrip('.').lower()})."


def _float(offer: Offer, allowed: Sequence[Scheme]) -> Planned:
    scheme = next((scheme for scheme in allowed if not is_integer(scheme)), offer.best_float)
    return scheme, f"The engine {offer.engine} has no integers that are allowed here."


def _by_policy(
    groups: Collection[Group], costs: Mapping[str, NodeCost], allowed: Allowed, pick: Pick
) -> dict[str, Planned]:
    """Pick for each layer; layers that need one width of activations take that of most of their time."""
    found: dict[str, Planned] = {}
    for group in groups:
        wishes = {name: pick(costs[name], choices) for name, choices in group.choices.items()}
        widest = _heaviest(wishes, costs)
        for unit in group.units:
            scheme, reason = wishes[unit.name]
            if width(scheme) != widest:
                same = [one for one in group.choices[unit.name] if width(one) == widest]
                scheme, why = pick(costs[unit.name], same)
                reason = f"Has {widest} activations, as what it shares a scale with. {why}"
            found |= with_followers(unit, (scheme, reason), allowed)
    return found


def _heaviest(wishes: Mapping[str, Planned], costs: Mapping[str, NodeCost]) -> str:
    time_s: dict[str, float] = {}
    for unit, (scheme, _) in wishes.items():
        time_s[width(scheme)] = time_s.get(width(scheme), 0.0) + costs[unit].at(scheme).time_s
    return max(time_s, key=lambda name: time_s[name])


def _granularity(profile: ChipProfile, offer: Offer, scheme: Scheme) -> Granularity | None:
    """Give the finest granularity that the chip has where it has not the scheme's default."""
    engine = profile.engine(offer.engine)
    weights = next((item.weights for item in engine.offers if item.scheme == scheme), ())
    if not weights or not is_integer(scheme) or default_granularity(scheme) in weights:
        return None
    blocks = [size for size in weights if isinstance(size, int)]
    if default_granularity(scheme) != "channel" and blocks:
        return min(blocks)
    return "channel" if "channel" in weights else weights[0]


def _said(tradeoff: Tradeoff | None) -> Iterator[str]:
    """Say how good a plan under a budget is known to be."""
    if tradeoff is None:
        return
    chosen = tradeoff.chosen
    figures = f"{chosen.time_s:.3g} s, {chosen.weight_bytes:,} bytes of weights, error {chosen.error:.3g}"
    proof = f"{tradeoff.status}, no plan has less {tradeoff.minimise} than {tradeoff.lower_bound:.4g}"
    yield f"the budget's plan, predicted for its layers: {figures} ({proof})"


def _notices(
    partition: Partition, asked: Mapping[str, SchemeException], schemes: Mapping[str, Scheme]
) -> tuple[str, ...]:
    """Say what the user asked for and did not get, and which activations are of a type that is left alone."""
    refused = [
        node for node, item in asked.items() if schemes[node] not in MEANT.get(item.scheme, (item.scheme,))
    ]
    notices = []
    if refused:
        shown = ", ".join(refused[:5]) + (" ..." if len(refused) > 5 else "")
        notices.append(f"{len(refused)} nodes keep another scheme than the exceptions ask for: {shown}")
    halves = [
        name for name, info in partition.tensor.items() if info.dtype in ("float16", "bfloat16", "double")
    ]
    if halves:
        notices.append(f"{len(halves)} tensors are not float32 ({halves[0]} ...); they are not quantized")
    return tuple(notices)
