"""Plan memory: every activation gets an offset, every block a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploykit.analysis.placement import Claim, on_chip
from deploykit.analysis.segment_order import boundary_ranges
from deploykit.analysis.storage_roots import SharingRules, StorageRoot, Stored, storage_roots
from deploykit.analysis.weight_bytes import weight_bytes
from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan, StateBuffers
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.dtypes import ELEMENT_TYPES, bits
from deploykit.core.profile import ChipProfile
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.solve.memory.validate import packing_faults
from deploykit.stages.call import StageCall

Place: TypeAlias = Literal["sram", "dram"]

SHARED = "shared"
STATE = "state"


@dataclass(frozen=True)
class MemoryParams:
    """How memory is planned.

    alignment_bytes: every block starts at a multiple of it and takes a multiple of it; 0 takes the chip
    profile's. in_place: an elementwise operator may write over an input that nobody needs any more.
    concat_views: the inputs of a Concat on the outermost axis may be written straight into its output.
    search_nodes: how long to search for a smaller arena where the greedy rules miss the lower bound;
    counted in
        nodes of the search, so that the same inputs give the same plan. 0: no search.
    """

    alignment_bytes: int = 0
    in_place: bool = True
    concat_views: bool = True
    search_nodes: int = 4000


PARAMS = MemoryParams
GIVES = MemoryPlan


def run(call: StageCall) -> MemoryPlan:
    """Plan one network's memory."""
    return plan_memory(
        call.inputs["split"], call.inputs["precision"], profile=call.profile, params=call.params
    )


def plan_memory(
    partition: Partition, plan: PrecisionPlan, *, profile: ChipProfile, params: MemoryParams
) -> MemoryPlan:
    """Place all activations of a network: an arena a segment, a shared block, and double buffers for state.

    Reads the float partition; `plan` says in which type each activation is stored. An arena holds what
    lives inside one segment, at steps that are its node indices. The shared block holds what crosses
    segments and the network's inputs and outputs, at steps that are segment indices. Each packing has
    passed the independent validator.
    """
    alignment = params.alignment_bytes or profile.on_chip.alignment_bytes
    stored, unsized = _stored_tensors(partition, plan)
    pinned = frozenset(name for pair in partition.state for name in (pair.output, pair.input))
    arenas: list[Arena] = []
    boundary_roots: list[StorageRoot] = []
    for segment in partition.segments:
        arena, roots = _segment_arena(segment, stored, pinned, alignment, params)
        arenas.append(arena)
        boundary_roots += roots
    arenas.append(_shared_arena(partition, boundary_roots, stored, pinned, alignment, params))
    state = _state_buffers(partition, stored, alignment)
    placement, notices = _placement(partition, arenas, state, stored, profile)
    return MemoryPlan(
        network=partition.network,
        chip=profile.name,
        arenas=tuple(arenas),
        state=state,
        state_bytes=sum(2 * buffers.size_bytes for buffers in state),
        weight_bytes=weight_bytes(partition, plan.scheme_of()),
        placement=placement,
        notices=(*notices, *_notices(partition, unsized)),
        unsized=unsized,
    )


def _stored_tensors(partition: Partition, plan: PrecisionPlan) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """Give how each activation is stored, and the names of those whose size nobody knows."""
    dtypes = {item.tensor: item.dtype for item in plan.tensors}
    stored: dict[str, Stored] = {}
    unsized: list[str] = []
    for segment in partition.segments:
        graph = segment.graph
        for name in (*graph.inputs, *(name for node in graph.nodes for name in node.outputs if name)):
            info = graph.tensor.get(name)
            form = info and _stored(info, dtypes.get(name, info.dtype))
            if form:
                stored[name] = form
            else:
                unsized.append(name)
    return stored, tuple(dict.fromkeys(unsized))


def _stored(info: TensorInfo, dtype: str) -> Stored | None:
    shape = info.upper_bound if info.upper_bound is not None else info.shape
    if dtype not in ELEMENT_TYPES or not bits(dtype) or shape is None:
        return None
    dims = tuple(dim for dim in shape if isinstance(dim, int))
    return Stored(dtype, dims) if len(dims) == len(shape) else None


def _segment_arena(
    segment: Segment,
    stored: Mapping[str, Stored],
    pinned: frozenset[str],
    alignment: int,
    params: MemoryParams,
) -> tuple[Arena, tuple[StorageRoot, ...]]:
    """Plan one segment; gives its arena and the roots that lie outside, with the segment's inputs and
    outputs.

    Views into a Concat's output save a copy but live longer than their parts would: they stay only where
    the arena is no larger for it.
    """
    choices = (True, False) if params.concat_views and _has_concat(segment.graph) else (False,)
    best: tuple[Arena, tuple[StorageRoot, ...]] | None = None
    for views in choices:
        rules = SharingRules(params.in_place, views, alignment)
        roots = storage_roots(segment.graph, stored, pinned=pinned, rules=rules)
        inside = [root for root in roots if root.boundary is None and root.tensors[0] not in pinned]
        arena = _arena(segment.name, inside, stored, alignment, params)
        if best is None or arena.size_bytes < best[0].size_bytes:
            best = arena, tuple(root for root in roots if root.boundary is not None)
    assert best is not None
    return best


def _has_concat(graph: GraphInfo) -> bool:
    return any(node.op == "Concat" for node in graph.nodes)


def _shared_arena(
    partition: Partition,
    roots: Sequence[StorageRoot],
    stored: Mapping[str, Stored],
    pinned: frozenset[str],
    alignment: int,
    params: MemoryParams,
) -> Arena:
    """Plan what lies outside segments; a tensor's blocks in several segments are one."""
    members: dict[str, dict[str, int]] = {}
    for root in roots:
        if root.boundary is not None and root.boundary not in pinned:
            members.setdefault(root.boundary, {}).update(zip(root.tensors, root.offsets_bytes, strict=True))
    ranges = boundary_ranges(partition)
    merged = [
        StorageRoot(
            tuple(group), tuple(group.values()), stored[boundary].size_bytes, ranges[boundary], boundary
        )
        for boundary, group in members.items()
    ]
    return _arena(SHARED, merged, stored, alignment, params)


def _arena(
    owner: str,
    roots: Sequence[StorageRoot],
    stored: Mapping[str, Stored],
    alignment: int,
    params: MemoryParams,
) -> Arena:
    """Pack roots, check the packing, and describe it."""
    rectangles = tuple(Rectangle(max(root.size_bytes, 1), root.live.first, root.live.end) for root in roots)
    problem = PackingProblem(rectangles, alignment)
    packing = pack(problem, node_limit=params.search_nodes)
    faults = packing_faults(problem, packing.offsets)
    if faults:  # ours: a method that breaks the rules never gets further
        raise AssertionError(f"arena {owner}: {'; '.join(faults)}")
    buffers = tuple(
        Buffer(
            root.tensors,
            size,
            offset,
            root.live.first,
            root.live.end,
            root.offsets_bytes if any(root.offsets_bytes) else (),
        )
        for root, size, offset in zip(roots, problem.sizes, packing.offsets, strict=True)
    )
    unplanned = sum(_round_up(stored[name].size_bytes, alignment) for root in roots for name in root.tensors)
    return Arena(owner, packing.bound.objective, alignment, buffers, packing.bound, unplanned)


def _state_buffers(
    partition: Partition, stored: Mapping[str, Stored], alignment: int
) -> tuple[StateBuffers, ...]:
    """Give each state pair two halves of its own, one after the other; nothing else ever lies there."""
    found: list[StateBuffers] = []
    end = 0
    for pair in partition.state:
        sizes = [stored[name].size_bytes for name in (pair.output, pair.input) if name in stored]
        half = _round_up(max(sizes, default=0), alignment)
        found.append(StateBuffers(pair.output, pair.input, half, (end, end + half)))
        end += 2 * half
    return tuple(found)


def _placement(
    partition: Partition,
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    stored: Mapping[str, Stored],
    profile: ChipProfile,
) -> tuple[tuple[tuple[str, Place], ...], tuple[str, ...]]:
    """Say what goes on the chip. Only the chip's main engine has on-chip memory that a toolchain can use."""
    owners = [arena.owner for arena in arenas] + ([STATE] if state else [])
    capacity = profile.on_chip.size_bytes.value
    if capacity is None:
        notice = f"all blocks are placed in DRAM: the profile of {profile.name} gives no on-chip memory size"
        return tuple((owner, "dram") for owner in owners), (notice,)
    claims = _claims(partition, arenas, state, stored, profile)
    chosen = on_chip(claims, int(capacity))
    places: list[tuple[str, Place]] = [(owner, "sram" if owner in chosen else "dram") for owner in owners]
    notices = ["on-chip memory is planned for one segment at a time; what runs beside it must use DRAM"]
    notices += [
        f"{claim.owner}: {claim.size_bytes} bytes do not fit in the chip's {int(capacity)}: placed in DRAM"
        for claim in claims
        if claim.size_bytes > capacity
    ]
    return tuple(places), tuple(notices) if any(place == "sram" for _, place in places) else tuple(
        notices[1:]
    )


def _claims(
    partition: Partition,
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    stored: Mapping[str, Stored],
    profile: ChipProfile,
) -> list[Claim]:
    """Give the blocks that the main engine could keep on the chip, with their traffic a frame."""
    uses: dict[str, int] = {}
    for segment in partition.segments:
        for name, nodes in segment.graph.consumers.items():
            uses[name] = uses.get(name, 0) + len(nodes)

    def traffic(names: Sequence[str]) -> int:
        return sum(stored[name].size_bytes * (1 + uses.get(name, 0)) for name in names if name in stored)

    main = profile.engines[0]
    elsewhere = {
        segment.name for segment in partition.segments if segment.engine not in (main.name, main.kind)
    }
    claims = [
        Claim(
            arena.owner,
            arena.size_bytes,
            traffic([name for buffer in arena.buffers for name in buffer.tensors]),
            kept=arena.owner == SHARED,
        )
        for arena in arenas
        if arena.owner not in elsewhere and arena.size_bytes
    ]
    if state:
        names = [name for buffers in state for name in (buffers.output, buffers.input)]
        claims.append(Claim(STATE, sum(2 * item.size_bytes for item in state), traffic(names), kept=True))
    return claims


def _notices(partition: Partition, unsized: Sequence[str]) -> list[str]:
    notices = []
    if unsized:
        named = ", ".join(unsized[:5]) + (" ..." if len(unsized) > 5 else "")
        notices.append(
            f"{len(unsized)} tensors have no known size and are in no arena ({named}): "
            "the plan is incomplete; bind the network's dynamic dimensions"
        )
    bodies = [node for segment in partition.segments for node in segment.graph.nodes if node.subgraphs]
    if bodies:
        named = ", ".join(node.id for node in bodies[:5]) + (" ..." if len(bodies) > 5 else "")
        notices.append(
            f"{len(bodies)} nodes have bodies ({named}): each is one step here; the tensors inside are the "
            "engine's own matter and not counted"
        )
    return notices


def _round_up(size: int, alignment: int) -> int:
    return max(-(-size // alignment), 1) * alignment
