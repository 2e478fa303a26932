"""One arena a segment, and the shared one: which roots lie in it, and at which offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.body_scratch import SUFFIX
from deploykit.analysis.live_ranges import LiveRange
from deploykit.analysis.node_order import beside
from deploykit.analysis.placement import SHARED
from deploykit.analysis.segment_order import boundary_ranges
from deploykit.analysis.storage_roots import SharingRules, StorageRoot, storage_roots
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.memory import Arena, Buffer
from deploykit.artifacts.model import Partition, Segment
from deploykit.solve.memory.checked import checked_pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.stages.memory.params import MemoryParams


@dataclass(frozen=True)
class SegmentArena:
    """A segment's arena, the roots outside it, with the segment's inputs and outputs, and the tensors that
    are read in another order than they lie in."""

    arena: Arena
    outside: tuple[StorageRoot, ...]
    turned: tuple[str, ...]


def segment_arena(
    segment: Segment,
    stored: Mapping[str, Stored],
    pinned: frozenset[str],
    alignment: int,
    params: MemoryParams,
    free_views: frozenset[str] = frozenset(),
) -> SegmentArena:
    """Plan one segment.

    Views into a Concat's output, or of parts of a tensor, save a copy but live longer than the parts would:
    they stay only where the arena is no larger for it.
    """
    best: SegmentArena | None = None
    for concat_views, slice_views in _view_choices(segment.graph, params):
        rules = SharingRules(
            params.in_place,
            concat_views,
            slice_views,
            alignment,
            free_views,
            params.overwrite,
            params.parallel_nodes,
        )
        roots = storage_roots(segment.graph, stored, pinned=pinned, rules=rules)
        inside = [root for root in roots if root.boundary is None and root.tensors[0] not in pinned]
        inside += _scratch_roots(segment.graph, stored, params.parallel_nodes)
        arena = _arena(segment.name, inside, stored, alignment, params)
        if best is None or arena.size_bytes < best.arena.size_bytes:
            outside = tuple(root for root in roots if root.boundary is not None)
            best = SegmentArena(arena, outside, tuple(name for root in roots for name in root.turned))
    assert best is not None
    return best


def _view_choices(graph: GraphInfo, params: MemoryParams) -> list[tuple[bool, bool]]:
    """Give which views to try: those of Concat, those of parts; most views first."""
    operators = {node.op for node in graph.nodes}
    concat = (True, False) if params.concat_views and "Concat" in operators else (False,)
    cut = (True, False) if params.slice_views and operators & {"Slice", "Split"} else (False,)
    return [(first, second) for first in concat for second in cut]


def _scratch_roots(graph: GraphInfo, stored: Mapping[str, Stored], parallel: bool) -> list[StorageRoot]:
    """Give each node with bodies a block for the time that it runs."""
    reach = beside(graph) if parallel else [(step, step + 1) for step in range(len(graph.nodes))]
    return [
        StorageRoot((name,), (0,), stored[name].size_bytes, LiveRange(*reach[step]), None)
        for step, node in enumerate(graph.nodes)
        if (name := node.id + SUFFIX) in stored
    ]


def shared_arena(
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
    packing = checked_pack(problem, node_limit=params.search_nodes)
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
    unplanned = sum(round_up(stored[name].size_bytes, alignment) for root in roots for name in root.tensors)
    return Arena(owner, packing.bound.objective, alignment, buffers, packing.bound, unplanned)


def round_up(size_bytes: int, alignment_bytes: int) -> int:
    """Give the next multiple of the alignment, at least one."""
    return max(-(-size_bytes // alignment_bytes), 1) * alignment_bytes
