"""From work to bytes, intensity, bound and time on a chip."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.analysis.calibrated import calibrated_costs
from deploykit.analysis.fusion import NOTHING_FUSED, Fusion, fuse
from deploykit.analysis.graph_work import WorkSettings, graph_works, operator_name, with_inner
from deploykit.analysis.op_costs import Work
from deploykit.analysis.traffic import off_chip_bytes
from deploykit.artifacts.costs import Bound, NodeCost, Roof, SchemeCost
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile, EngineProfile


@dataclass(frozen=True)
class _Chip:
    """What all nodes of a graph share: the chip, its bandwidth, the fused chains, the accounting."""

    profile: ChipProfile
    bandwidth: float
    fusion: Fusion
    clean: bool


def cost_nodes(
    graph: GraphInfo,
    profile: ChipProfile,
    *,
    segment: str = "",
    engine: str | None = None,
    settings: WorkSettings | None = None,
) -> tuple[NodeCost, ...]:
    """Cost every node of a graph at every scheme of its engine, by rates fitted to it where the profile
    has them.

    `engine` is the name or kind of the engine that the graph is meant for (default: the chip's first); a
    node that it does not run is costed on the chip's first engine, or on its fallback.

    Raises:
        InputError: an operator without a cost, an unknown size, a blank in the profile that is needed.
    """
    main = find_engine(profile, engine)
    engines = {node.id: _engine_of(node, main, profile) for node in graph.nodes}
    settings = settings or WorkSettings()
    works = graph_works(graph, settings=settings)
    clean = settings.accounting == "clean"
    chip = _Chip(profile, bandwidth_of(profile), fuse(graph, engines) if clean else NOTHING_FUSED, clean)
    costs = tuple(
        _node_cost(node, work, engines[node.id], chip, segment=segment)
        for node, work in zip(graph.nodes, works, strict=True)
    )
    return calibrated_costs(costs, graph, works, engines, profile) if clean else costs


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

    A scheme without a peak of its own comes last, with the peak that it computes at.

    Raises:
        InputError: all are blank.
    """
    bounds = {offer.scheme: engine.peak_of(offer.scheme).value for offer in engine.offers}
    peaks: dict[str, float] = {scheme: peak for scheme, peak in bounds.items() if peak is not None}
    if not peaks:
        key = f"engines.{engine.name}.peak_ops_per_s"
        raise _blank(profile, key, "its operations per second (2 x MACs) at one scheme or more")
    return peaks


def place(
    ops: int, moved_bytes: int, *, peak: float, bandwidth: float, overhead_s: float
) -> tuple[Bound, float]:
    """Put one node on the roofline: its bound, and time = max(ops / peak, bytes / bandwidth) + overhead."""
    compute_s, memory_s = ops / peak, moved_bytes / bandwidth
    busy_s = max(compute_s, memory_s)
    if overhead_s >= busy_s:
        return "overhead", busy_s + overhead_s
    return ("compute" if compute_s >= memory_s else "memory"), busy_s + overhead_s


def _node_cost(node: NodeInfo, work: Work, engine: EngineProfile, chip: _Chip, *, segment: str) -> NodeCost:
    idle = work == Work()
    own_launch = not idle and node.id not in chip.fusion.followers
    overhead_s = (engine.node_overhead_s.value or 0.0) if own_launch else 0.0
    peaks = known_peaks(chip.profile, engine)
    return NodeCost(
        node=node.id,
        op=operator_name(node),
        segment=segment,
        engine=engine.name,
        macs=work.macs,
        vector_ops=work.vector_ops,
        weight_elements=work.weight_elements,
        activation_read_elements=work.read_elements,
        activation_write_elements=work.write_elements,
        schemes=tuple(_scheme_cost(scheme, work, peak, overhead_s, chip) for scheme, peak in peaks.items()),
    )


def _scheme_cost(scheme: str, work: Work, peak: float, overhead_s: float, chip: _Chip) -> SchemeCost:
    moved = off_chip_bytes(work, scheme, kept=chip.fusion.kept)
    ops = 2 * work.macs + work.vector_ops
    bound, time_s = place(ops, moved.total, peak=peak, bandwidth=chip.bandwidth, overhead_s=overhead_s)
    counted = ops if chip.clean else work.macs  # the textbooks count a MAC as one operation
    intensity = counted / moved.total if moved.total else 0.0
    return SchemeCost(scheme, moved.weight, moved.read, moved.write, intensity, bound, time_s)


def _engine_of(node: NodeInfo, main: EngineProfile, profile: ChipProfile) -> EngineProfile:
    for engine in (main, profile.engines[0]):
        if all(engine.supports(operator_name(inner)) for inner in with_inner(node)):
            return engine
    return profile.engine(profile.fallback)


def _blank(profile: ChipProfile, key: str, what: str) -> Exception:
    place = profile.file or profile.name
    return input_error(
        f"{place}: {key}",
        "is blank, and the prediction needs it",
        f"fill in {what}, with its source, or name the chip's class (chip_class) for a range",
    )
