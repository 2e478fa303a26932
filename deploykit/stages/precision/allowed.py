"""What each node may take: what its engine has, what rules keep in float, what the user says."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.costs import NodeCost
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile
from deploykit.stages.precision.params import PrecisionParams, SchemeException

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

MEANT: dict[str, tuple[Scheme, ...]] = {
    "float": ("float16", "float32"),
    "fp16": ("float16",),
    "fp32": ("float32",),
    "int4": ("w4a16", "w4a8"),
    "int8": ("w8a8",),
    "int16": ("w8a16",),
}


@dataclass(frozen=True)
class Offer:
    """The schemes that a node's engine has, in its order of preference."""

    engine: str
    schemes: tuple[Scheme, ...]

    @property
    def best_float(self) -> Scheme:
        """The engine's first floating point; float32 where it lists none."""
        return next((scheme for scheme in self.schemes if not is_integer(scheme)), "float32")


def offer_of(node: NodeInfo, cost: NodeCost | None, profile: ChipProfile) -> Offer:
    """Give what the engine has on which a node was costed, or that runs its operator."""
    if cost is not None:
        engine, names = cost.engine, [offer.scheme for offer in cost.schemes]
    else:  # a node that costs nothing, such as one inside a subgraph
        chosen = profile.engine_for(node.op)
        engine, names = chosen.name, [offer.scheme for offer in chosen.offers]
    return Offer(engine, tuple(scheme for name in names for scheme in SCHEMES if scheme == name))


def exceptions_by_node(flow: NetworkFlow, params: PrecisionParams) -> dict[str, SchemeException]:
    """Give the exception that decides for each node that one matches.

    Raises:
        InputError: exceptions and patterns of `allow` that match nothing, all at once.
    """
    patterns = [(f"exceptions.{at}.match", item.match) for at, item in enumerate(params.exceptions)]
    patterns += [(f"allow.{pattern}", pattern) for pattern in params.allow]
    faults = [_unmatched(flow, where, pattern) for where, pattern in patterns if not _matched(flow, pattern)]
    if faults:
        raise InputError(*faults)
    found: dict[str, SchemeException] = {}
    for exception in params.exceptions:
        found.update(dict.fromkeys(_matched(flow, exception.match), exception))
    return found


def allowed_schemes(
    flow: NetworkFlow, offers: Mapping[str, Offer], params: PrecisionParams
) -> dict[str, tuple[Scheme, ...]]:
    """Give the schemes that engine and user both allow a node.

    Raises:
        InputError: an engine has nothing of what `allow` leaves its nodes; a fault a pattern.
    """
    found = {node.id: offers[node.id].schemes for node in flow.nodes}
    faults = []
    for pattern, value in params.allow.items():
        names = (value,) if isinstance(value, str) else value
        wanted = {scheme for name in names for scheme in MEANT.get(name, (name,))}
        for node in _matched(flow, pattern):
            kept = tuple(scheme for scheme in offers[node].schemes if scheme in wanted)
            found[node] = kept
            if not kept:
                has = f"{node} runs on {offers[node].engine}, which has {', '.join(offers[node].schemes)}"
                what = f"none of {', '.join(names)} is there for it: {has}"
                faults.append(Fault(f"precision.allow.{pattern}", what, "allow one of these too"))
                break
    if faults:
        raise InputError(*faults)
    return found


def _matched(flow: NetworkFlow, pattern: str) -> list[str]:
    return [node.id for node in flow.nodes if _matches(pattern, node, flow.segment_of[node.id])]


def _matches(pattern: str, node: NodeInfo, segment: str) -> bool:
    return pattern == segment or any(fnmatch.fnmatchcase(name, pattern) for name in (node.id, node.name))


def _unmatched(flow: NetworkFlow, where: str, pattern: str) -> Fault:
    segments = {segment.name for segment in flow.partition.segments}
    known: Sequence[str] = [*segments, *(node.id for node in flow.nodes)]
    hint = did_you_mean(pattern, known if len(known) <= 20 else sorted(segments))
    return Fault(f"precision.{where}", f"{pattern!r} matches no segment and no node{hint}")
