"""One arena a segment, and the shared one: which roots lie in it, and at which offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploykit.analysis.placement import SHARED
from deploykit.analysis.segment_order import boundary_ranges
from deploykit.analysis.storage_roots import SharingRules, StorageRoot, storage_roots
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.memory import Arena, Buffer
from deploykit.artifacts.model import Partition, Segment
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.solve.memory.validate import packing_faults
from deploykit.stages.memory.params import MemoryParams


def segment_arena(
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
    unplanned = sum(round_up(stored[name].size_bytes, alignment) for root in roots for name in root.tensors)
    return Arena(owner, packing.bound.objective, alignment, buffers, packing.bound, unplanned)


def round_up(size_bytes: int, alignment_bytes: int) -> int:
    """Give the next multiple of the alignment, at least one."""
    return max(-(-size_bytes // alignment_bytes), 1) * alignment_bytes
