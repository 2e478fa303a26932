"""Plan memory: every activation gets an offset, every block a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.placement import SHARED, STATE, place_blocks
from deploykit.analysis.segment_order import boundary_ranges
from deploykit.analysis.storage_roots import SharingRules, StorageRoot, storage_roots
from deploykit.analysis.stored import Stored, stored_tensors
from deploykit.analysis.weight_bytes import weight_bytes
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan, StateBuffers
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.solve.memory.validate import packing_faults
from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class MemoryParams:
    """How memory is planned.

    `alignment_bytes`: every block starts at a multiple of it and takes a multiple of it; 0 means the chip
    profile's. `in_place`: an elementwise operator may write over an input that nobody needs any more.
    `concat_views`: the inputs of a Concat on the outermost axis may be written straight into its output.
    `search_nodes`: how far to search for a smaller arena where the greedy rules miss the lower bound, counted
    in nodes of the search, so that the same inputs give the same plan; 0 means not at all.
    """

    alignment_bytes: int = 0
    in_place: bool = True
    concat_views: bool = True
    search_nodes: int = 8000


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
    for segment in partition.segments:
        if segment.name in (SHARED, STATE):
            raise input_error(
                f"segment {segment.name!r}", "the memory plan uses this name", "rename the segment"
            )
    alignment = params.alignment_bytes or profile.on_chip.alignment_bytes
    stored, unsized = stored_tensors(partition, plan)
    pinned = frozenset(name for pair in partition.state for name in (pair.output, pair.input))
    arenas: list[Arena] = []
    boundary_roots: list[StorageRoot] = []
    for segment in partition.segments:
        arena, roots = _segment_arena(segment, stored, pinned, alignment, params)
        arenas.append(arena)
        boundary_roots += roots
    arenas.append(_shared_arena(partition, boundary_roots, stored, pinned, alignment, params))
    state = _state_buffers(partition, stored, alignment)
    placement, notices = place_blocks(partition, arenas, state, stored, profile)
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
