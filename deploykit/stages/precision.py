"""Choose each node's precision, with a reason."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from deploykit.analysis.float_rules import FLOAT_RULES
from deploykit.analysis.flow import NetworkFlow, all_nodes
from deploykit.analysis.storage_types import storage_types
from deploykit.artifacts.costs import CostReport, NodeCost
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, Scheme, is_integer
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall

Choice: TypeAlias = Literal["w8a8", "float", "float16", "float32"]
"""What a user may ask for; "float" is the best floating point that a node's engine has."""


@dataclass(frozen=True)
class SchemeException:
    """Nodes whose scheme the user sets.

    `match` is a segment's name, or a pattern over nodes' names or ids (`/head/*`); an id is the name of the
    node's first output.
    """

    match: str
    scheme: Choice


@dataclass(frozen=True)
class PrecisionParams:
    """Options of the precision stage.

    `scheme` is what every node gets unless something speaks against it. `exceptions` are read in order: the
    last one that matches a node decides, also against the built-in rules.
    """

    scheme: Choice = "w8a8"
    exceptions: tuple[SchemeException, ...] = ()


@dataclass(frozen=True)
class _Wish:
    choice: Choice
    reason: str
    explicit: bool


def plan_precision(
    partition: Partition, costs: CostReport, *, profile: ChipProfile, params: PrecisionParams
) -> PrecisionPlan:
    """Give each node the scheme that the user wants and its engine has, unless a rule keeps it in float.

    Raises:
        InputError: exceptions that match no segment and no node, all at once.
    """
    flow = NetworkFlow(partition)
    marks = [(rule.__doc__ or "", rule(flow)) for rule in FLOAT_RULES]
    ruled = {node: doc.splitlines()[0] for doc, found in reversed(marks) for node in found.nodes}
    asked = _exceptions(flow, params)
    engine_costs = {cost.node: cost for cost in costs.nodes}
    planned = []
    for segment in partition.segments:
        top = {node.id for node in segment.graph.nodes}
        for node in all_nodes(segment.graph):
            wish = _wish(node, inner=node.id not in top, ruled=ruled, asked=asked, params=params)
            planned.append(_offered(node, wish, engine_costs.get(node.id), profile))
    schemes = {node.node: node.scheme for node in planned}
    float_tensors = [
        name for _, found in marks for name, owner in found.tensors.items() if not is_integer(schemes[owner])
    ]
    tensors = storage_types(flow, schemes, float_tensors)
    return PrecisionPlan(partition.network, tuple(planned), tensors, _notices(partition, planned, asked))


def _wish(
    node: NodeInfo,
    *,
    inner: bool,
    ruled: Mapping[str, str],
    asked: Mapping[str, SchemeException],
    params: PrecisionParams,
) -> _Wish:
    if inner:
        return _Wish("float", "Stands inside a subgraph.", False)
    if node.id in asked:
        exception = asked[node.id]
        return _Wish(exception.scheme, f"Asked for by the exception {exception.match!r}.", True)
    if node.id in ruled:
        return _Wish("float", ruled[node.id], False)
    return _Wish(params.scheme, f"The default scheme is {params.scheme}.", False)


def _offered(node: NodeInfo, wish: _Wish, cost: NodeCost | None, profile: ChipProfile) -> NodePrecision:
    """Turn a wish into what the node's engine has."""
    if cost is not None:
        engine, offers = cost.engine, [offer.scheme for offer in cost.schemes]
    else:  # a node that costs nothing, such as one inside a subgraph
        chosen = profile.engine_for(node.op)
        engine, offers = chosen.name, list(chosen.peak_ops_per_s)
    schemes: tuple[Scheme, ...] = get_args(Scheme)
    known = [scheme for offer in offers for scheme in schemes if scheme == offer]
    best_float: Scheme = next((scheme for scheme in known if not is_integer(scheme)), "float32")
    if wish.choice == "float":
        return NodePrecision(node.id, best_float, wish.reason)
    if wish.choice in known:
        return NodePrecision(node.id, wish.choice, wish.reason)
    lacks = f"The engine {engine} has no {wish.choice}"
    return NodePrecision(node.id, best_float, f"{lacks} (wanted: {wish.reason.rstrip('.').lower()}).")


def _exceptions(flow: NetworkFlow, params: PrecisionParams) -> dict[str, SchemeException]:
    """Give the exception that decides for each node that one matches."""
    segments = {segment.name for segment in flow.partition.segments}
    found: dict[str, SchemeException] = {}
    faults = []
    for index, exception in enumerate(params.exceptions):
        matched = [
            node.id for node in flow.nodes if _matches(exception.match, node, flow.segment_of[node.id])
        ]
        if not matched:
            known = [*segments, *(node.id for node in flow.nodes)]
            hint = did_you_mean(exception.match, known if len(known) <= 20 else sorted(segments))
            where = f"precision.exceptions.{index}.match"
            faults.append(Fault(where, f"{exception.match!r} matches no segment and no node{hint}"))
        found.update(dict.fromkeys(matched, exception))
    if faults:
        raise InputError(*faults)
    return found


def _matches(pattern: str, node: NodeInfo, segment: str) -> bool:
    return pattern == segment or any(fnmatch.fnmatchcase(name, pattern) for name in (node.id, node.name))


def _notices(
    partition: Partition, planned: list[NodePrecision], asked: Mapping[str, SchemeException]
) -> tuple[str, ...]:
    """Say what the user asked for and did not get, and which activations are of a type that is left alone."""
    refused = [node.node for node in planned if node.node in asked and node.reason.startswith("The engine")]
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


PARAMS = PrecisionParams
GIVES = PrecisionPlan


def run(call: StageCall) -> PrecisionPlan:
    """Run the stage for the pipeline."""
    return plan_precision(
        call.inputs["split"], call.inputs["analyze"], profile=call.profile, params=call.params
    )
