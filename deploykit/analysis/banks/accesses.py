"""Which bytes each node of a network moves, and when, in one count of steps over all segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from deploykit.analysis.fusion import NOTHING_FUSED, Fusion, fuse
from deploykit.analysis.graph_work import graph_works, is_constant, operator_name, with_inner
from deploykit.analysis.op_costs import Work
from deploykit.analysis.op_costs.work import Access, UnknownSize, layer
from deploykit.analysis.stored import Stored
from deploykit.analysis.traffic import ROLE_BITS, SCHEMED_TYPES
from deploykit.analysis.views import ALIASES
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.dtypes import bits
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, EngineProfile


@dataclass(frozen=True)
class Touch:
    """One node reads or writes one tensor, over the half-open steps [first, end) of all that runs with it.

    `on_main`: the node runs on the chip's main engine, the one that on-chip memory belongs to. Touches of no
    bytes only say how long a tensor is needed.
    """

    tensor: str
    node: str
    size_bytes: int
    first: int
    end: int
    write: bool
    weight: bool
    on_main: bool


@dataclass(frozen=True)
class NetworkTraffic:
    """All touches of one frame in execution order, and the operations of each node by id.

    `uncosted` are segments with an operator whose cost nobody knows: their nodes count as reading and writing
    each tensor once, whole.
    """

    touches: tuple[Touch, ...]
    works: Mapping[str, Work]
    steps: int
    uncosted: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Off-chip bytes a frame with nothing kept on chip."""
        return sum(touch.size_bytes for touch in self.touches)


def network_traffic(
    partition: Partition, stored: Mapping[str, Stored], schemes: Mapping[str, Scheme], profile: ChipProfile
) -> NetworkTraffic:
    """Walk over all segments, one after the other; tensors that fusion keeps on the way are never touched.

    A fused layer reads and writes from its first node to its last. Activations count at their stored type,
    weights at that of their reader's scheme (`schemes`, by node id).
    """
    counts = [len(segment.graph.nodes) for segment in partition.segments]
    touches: list[Touch] = []
    works: dict[str, Work] = {}
    uncosted: list[str] = []
    for segment, start in zip(partition.segments, accumulate([0, *counts]), strict=False):
        found = _works(segment.graph)
        if found is None:
            uncosted.append(segment.name)
            found = tuple(_whole(node, segment.graph) for node in segment.graph.nodes)
        works.update((node.id, work) for node, work in zip(segment.graph.nodes, found, strict=True))
        touches += _segment_touches(segment, start, found, stored, schemes, profile)
    return NetworkTraffic(tuple(touches), works, max(sum(counts), 1), tuple(uncosted))


def on_main_engine(node: NodeInfo, segment: Segment, profile: ChipProfile) -> bool:
    """Say whether the chip's first engine runs a node of this segment."""
    main = profile.engines[0]
    meant = segment.engine in (main.name, main.kind)
    return meant and all(main.supports(operator_name(inner)) for inner in with_inner(node))


def _works(graph: GraphInfo) -> tuple[Work, ...] | None:
    try:
        return graph_works(graph)
    except InputError:
        return None


def _whole(node: NodeInfo, graph: GraphInfo) -> Work:
    if is_constant(node, graph.tensor) or node.op in ALIASES:
        return Work()
    try:
        return layer(node, graph.tensor)
    except UnknownSize:
        return Work()  # its tensors have no place on chip either


def _segment_touches(
    segment: Segment,
    start: int,
    works: tuple[Work, ...],
    stored: Mapping[str, Stored],
    schemes: Mapping[str, Scheme],
    profile: ChipProfile,
) -> Iterator[Touch]:
    graph = segment.graph
    mains = {node.id: on_main_engine(node, segment, profile) for node in graph.nodes}
    fusion = _fusion(graph, mains, profile)
    spans = fused_spans(graph, fusion)
    for node, work in zip(graph.nodes, works, strict=True):
        first, end = spans[node.id]
        scheme = schemes.get(node.id, "float32")
        named: set[str] = set()
        for access, write in (*((a, False) for a in work.reads), *((a, True) for a in work.writes)):
            named.add(access.tensor)
            if access.tensor in fusion.kept:
                continue
            size = _size_bytes(access, stored, scheme)
            weight = access.role != "activation"
            yield Touch(
                access.tensor, node.id, size, start + first, start + end, write, weight, mains[node.id]
            )
        if node.op in ALIASES:
            continue  # the same bytes under another name: nobody touches them
        for name in dict.fromkeys(reads(node)):
            if name in stored and name not in named and name not in fusion.kept:
                yield Touch(name, node.id, 0, start + first, start + end, False, False, mains[node.id])
        for name in node.outputs:
            if name in stored and name not in named and name not in fusion.kept:
                yield Touch(name, node.id, 0, start + first, start + end, True, False, mains[node.id])


def _fusion(graph: GraphInfo, mains: Mapping[str, bool], profile: ChipProfile) -> Fusion:
    main, other = profile.engines[0], profile.engine(profile.fallback)
    engines: dict[str, EngineProfile] = {name: main if here else other for name, here in mains.items()}
    return fuse(graph, engines) if any(mains.values()) else NOTHING_FUSED


def fused_spans(graph: GraphInfo, fusion: Fusion) -> dict[str, tuple[int, int]]:
    """Give for each node the half-open steps from the first to the last node of its fused layer."""
    leader: dict[str, str] = {}
    spans: dict[str, tuple[int, int]] = {}
    made_by: dict[str, str] = {}
    for step, node in enumerate(graph.nodes):
        behind = [made_by[name] for name in node.inputs if name in fusion.kept and name in made_by]
        own = leader[behind[0]] if behind and node.id in fusion.followers else node.id
        leader[node.id] = own
        spans[own] = (spans.get(own, (step, step))[0], step + 1)
        made_by.update((name, node.id) for name in node.outputs)
    return {name: spans[own] for name, own in leader.items()}


def _size_bytes(access: Access, stored: Mapping[str, Stored], scheme: Scheme) -> int:
    if access.tensor in stored and access.role == "activation":
        width = bits(stored[access.tensor].dtype)
    elif access.dtype in SCHEMED_TYPES and access.role != "stored":
        width = ROLE_BITS[scheme][access.role]
    else:
        width = bits(access.dtype)
    return -(-access.elements * width // 8)
