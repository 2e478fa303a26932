"""Results that the user wants written over an input: is that possible?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.analysis.live_ranges import live_ranges
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import alias_roots
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads
from deploykit.artifacts.model import Partition
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.stages.memory.params import MemoryParams

FIELD = "memory.overwrite"


def check_claims(partition: Partition, stored: Mapping[str, Stored], params: MemoryParams) -> None:
    """Raise InputError with every claim that is part of a circle or would destroy what is still needed."""
    claims = params.overwrite
    faults = list(_circles(claims))
    in_circles = {name for fault in faults for name in claims if fault.where == f"{FIELD}.{name}"}
    producer = {
        name: (segment.graph, node)
        for segment in partition.segments
        for name, node in segment.graph.producer.items()
    }
    for target, source in claims.items():
        if target in in_circles:
            continue
        if target not in producer:
            near = did_you_mean(target, producer) if len(producer) <= 10 else ""
            faults.append(Fault(f"{FIELD}.{target}", f"no operator writes a tensor of this name{near}"))
            continue
        graph, node = producer[target]
        faults += _claim_faults(partition, stored, graph, node, target, source, params.parallel_nodes)
    if faults:
        raise InputError(*faults)


def _circles(claims: Mapping[str, str]) -> Iterator[Fault]:
    """Name every circle of claims, at each of its tensors."""
    for start in claims:
        walk = [start]
        while walk[-1] in claims and claims[walk[-1]] not in walk:
            walk.append(claims[walk[-1]])
        if claims.get(walk[-1]) == start:
            shown = " over ".join([*walk, start])
            yield Fault(
                f"{FIELD}.{start}",
                f"the claims go in a circle: {shown}; each needs the other's bytes to be there first",
                "take one of them out",
            )


def _claim_faults(
    partition: Partition,
    stored: Mapping[str, Stored],
    graph: GraphInfo,
    node: NodeInfo,
    target: str,
    source: str,
    parallel: bool,
) -> Iterator[Fault]:
    where = f"{FIELD}.{target}"
    if target != node.outputs[0] or source not in node.inputs:
        named = ", ".join(filter(None, node.inputs))
        what = f"{node.op} {node.id!r} writes {target!r} and does not read {source!r}"
        yield Fault(
            where, what, f"it reads {named}" if target == node.outputs[0] else "name its first output"
        )
        return
    if source not in stored or target not in stored:
        unknown = source if source not in stored else target
        weight = graph.tensor.get(unknown)
        what = "is a weight" if weight and weight.is_weight else "has no known size"
        yield Fault(where, f"{unknown!r} {what}")
        return
    required, available = stored[target].size_bytes, stored[source].size_bytes
    if required != available:
        what = f"{target!r} requires {required} bytes, available in {source!r} are {available}"
        short = f": {required - available} missing" if required > available else ""
        yield Fault(where, what + short, "both must have the same size: leave this claim out")
    names = _names_of(graph, stored, source)
    states = {name for pair in partition.state for name in (pair.output, pair.input)}
    ends = {*partition.inputs, *graph.outputs, *graph.inputs}
    for name in dict.fromkeys((source, target, *names)):
        if name in states or (name != target and name in ends):
            own = "" if name in (source, target) else f"{source!r} has the bytes of {name!r}: "
            kind = "state" if name in states else "an input or output of its segment"
            what = f"{own}{name!r} is {kind}, which nothing may overwrite"
            yield Fault(where, what, "leave this claim out")
    step = next(place for place, other in enumerate(graph.nodes) if other.id == node.id)
    ranges = live_ranges(graph, parallel=parallel)
    for name in (name for name in names if ranges[name].end > step + 1):
        after = graph.nodes if parallel else graph.nodes[step:]
        later = [other.id for other in after if other.id != node.id and name in reads(other)]
        own = "" if name == source else f", which has the bytes of {source!r},"
        what = f"{name!r}{own} is needed after {node.id!r}" + (
            f", by {', '.join(later[:3])}" if later else ""
        )
        yield Fault(where, what, "leave this claim out, or run the other readers first")


def _names_of(graph: GraphInfo, stored: Mapping[str, Stored], source: str) -> list[str]:
    """Give all names of a tensor's bytes."""
    roots = alias_roots(graph, stored)
    return [name for name in stored if roots.get(name, name) == roots.get(source, source)]
