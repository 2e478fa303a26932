"""From work to bytes, intensity, bound and time on a chip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deploykit.analysis.fusion import Fusion, fuse
from deploykit.analysis.graph_work import WorkSettings, graph_works, operator_name
from deploykit.analysis.op_costs import Access, Role, Work
from deploykit.artifacts.costs import Bound, NodeCost, Roof, SchemeCost
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.core.dtypes import bits
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile, EngineProfile

ROLE_BITS: dict[str, dict[Role, int]] = {
    "float32": {"weight": 32, "bias": 32, "activation": 32},
    "float16": {"weight": 16, "bias": 16, "activation": 16},
    "w8a8": {"weight": 8, "bias": 32, "activation": 8},
}
"""Bits of a floating point value under each scheme; integers and booleans keep their own type."""

SCHEMED_TYPES = ("float", "double", "float16", "bfloat16")


@dataclass(frozen=True)
class Traffic:
    """Off-chip bytes of one node at one scheme."""

    weight: int
    read: int
    write: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weight + self.read + self.write


def cost_nodes(
    graph: GraphInfo,
    profile: ChipProfile,
    *,
    segment: str = "",
    engine: str | None = None,
    settings: WorkSettings | None = None,
) -> tuple[NodeCost, ...]:
    """Cost every node of a graph at every scheme of its engine.

    `engine` is the name or kind of the engine that the graph is meant for (default: the chip's first); a node
    that it does not run is costed on the chip's fallback engine.

    Raises:
        InputError: an operator without a cost, an unknown size, a blank in the profile that is needed.
    """
    main = find_engine(profile, engine)
    engines = {node.id: _engine_of(node, main, profile) for node in graph.nodes}
    works = graph_works(graph, settings=settings)
    fusion = fuse(graph, engines)
    bandwidth = bandwidth_of(profile)
    return tuple(
        _node_cost(node, work, engines[node.id], bandwidth, profile, segment=segment, fusion=fusion)
        for node, work in zip(graph.nodes, works, strict=True)
    )


def roofs(profile: ChipProfile) -> tuple[Roof, ...]:
    """Give every engine's roof at every scheme whose peak is known. `ridge` = peak / bandwidth."""
    bandwidth = bandwidth_of(profile)
    return tuple(
        Roof(engine.name, scheme, peak.value, bandwidth, peak.value / bandwidth, peak.source)
        for engine in profile.engines
        for scheme, peak in engine.peak_ops_per_s.items()
        if peak.value is not None
    )


def attainable_ops_per_s(roof: Roof, intensity_ops_per_byte: float) -> float:
    """Give the speed that a roof allows at an intensity: min(peak, bandwidth x intensity)."""
    return min(roof.peak_ops_per_s, roof.bandwidth_bytes_per_s * intensity_ops_per_byte)


def find_engine(profile: ChipProfile, name: str | None) -> EngineProfile:
    """Give the engine of this name, else the first of this kind; None means the chip's first."""
    if name is None:
        return profile.engines[0]
    for engine in (
        *(e for e in profile.engines if e.name == name),
        *(e for e in profile.engines if e.kind == name),
    ):
        return engine
    names = ", ".join(engine.name for engine in profile.engines)
    raise input_error(
        profile.file or profile.name, f"{profile.name} has no engine {name!r}", f"it has: {names}"
    )


def bandwidth_of(profile: ChipProfile) -> float:
    """Give the DRAM bandwidth that predictions use.

    Raises:
        InputError: the profile leaves it blank.
    """
    value = profile.dram.bandwidth_bytes_per_s.value
    if value is None:
        raise _blank(profile, "dram.bandwidth_bytes_per_s", "the effective bandwidth, or dram.interface")
    return value


def known_peaks(profile: ChipProfile, engine: EngineProfile) -> dict[str, float]:
    """Give an engine's peaks by scheme, in its order of preference, without the blank ones.

    Raises:
        InputError: all are blank.
    """
    peaks = {scheme: peak.value for scheme, peak in engine.peak_ops_per_s.items() if peak.value is not None}
    if not peaks:
        key = f"engines.{engine.name}.peak_ops_per_s"
        raise _blank(profile, key, "its operations per second (2 x MACs) at one scheme or more")
    return peaks


def traffic(accesses: Iterable[tuple[Access, bool]], scheme: str) -> Traffic:
    """Sum up bytes by kind; each access comes with whether it is a write."""
    found = {"weight": 0, "read": 0, "write": 0}
    for access, is_write in accesses:
        own = ROLE_BITS[scheme][access.role] if access.dtype in SCHEMED_TYPES else bits(access.dtype)
        kind = "write" if is_write else "read" if access.role == "activation" else "weight"
        found[kind] += -(-access.elements * own // 8)
    return Traffic(**found)


def scheme_cost(
    scheme: str, moved: Traffic, *, ops: int, peak: float, bandwidth: float, overhead_s: float
) -> SchemeCost:
    """Put one node on the roofline: time = max(ops / peak, bytes / bandwidth) + overhead.

    A node that moves nothing has intensity 0 (it is not a point of the picture).
    """
    compute_s, memory_s = ops / peak, moved.total / bandwidth
    bound: Bound = "compute" if compute_s >= memory_s else "memory"
    if overhead_s >= max(compute_s, memory_s):
        bound = "overhead"
    return SchemeCost(
        scheme,
        moved.weight,
        moved.read,
        moved.write,
        ops / moved.total if moved.total else 0.0,
        bound,
        max(compute_s, memory_s) + overhead_s,
    )


def _node_cost(
    node: NodeInfo,
    work: Work,
    engine: EngineProfile,
    bandwidth: float,
    profile: ChipProfile,
    *,
    segment: str,
    fusion: Fusion,
) -> NodeCost:
    accesses = [(access, False) for access in work.reads] + [(access, True) for access in work.writes]
    outside = [pair for pair in accesses if pair[0].tensor not in fusion.kept]
    idle = not accesses and not work.macs and not work.vector_ops
    own_launch = not idle and node.id not in fusion.followers
    overhead_s = (engine.node_overhead_s.value or 0.0) if own_launch else 0.0
    ops = 2 * work.macs + work.vector_ops
    return NodeCost(
        node.id,
        operator_name(node),
        segment,
        engine.name,
        work.macs,
        work.vector_ops,
        work.weight_elements,
        work.read_elements,
        work.write_elements,
        tuple(
            scheme_cost(
                scheme,
                traffic(outside, scheme),
                ops=ops,
                peak=peak,
                bandwidth=bandwidth,
                overhead_s=overhead_s,
            )
            for scheme, peak in known_peaks(profile, engine).items()
        ),
    )


def _engine_of(node: NodeInfo, main: EngineProfile, profile: ChipProfile) -> EngineProfile:
    return main if main.supports(operator_name(node)) else profile.engine(profile.fallback)


def _blank(profile: ChipProfile, key: str, what: str) -> Exception:
    place = profile.file or profile.name
    return input_error(
        f"{place}: {key}", "is blank, and the prediction needs it", f"fill in {what}, with its source"
    )
