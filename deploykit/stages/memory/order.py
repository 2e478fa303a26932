"""The order in which a segment's nodes run, where another one makes its arena smaller."""

from __future__ import annotations

from collections.abc import Mapping

from deploykit.analysis.order_problem import order_problem
from deploykit.analysis.planned import in_order
from deploykit.analysis.stored import Stored
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.bounds import SolveBound
from deploykit.solve.order.lowest import lowest_order
from deploykit.solve.order.problem import order_faults
from deploykit.stages.memory.arenas import SegmentArena, segment_arena
from deploykit.stages.memory.params import MemoryParams

STEPS_A_NODE = 5
"""How many steps of the search for an order count as much as a node of the search for offsets."""

Orders = tuple[tuple[str, tuple[str, ...]], ...]
Bounds = tuple[tuple[str, SolveBound], ...]


def ordered_arenas(
    partition: Partition,
    stored: Mapping[str, Stored],
    pinned: frozenset[str],
    alignment_bytes: int,
    params: MemoryParams,
    free_views: Mapping[str, frozenset[str]],
) -> tuple[list[SegmentArena], Orders, Bounds]:
    """Plan each segment in the order of its file and, where that may be better, in the one of lowest peak.

    Gives the smaller arena of both, the orders that differ from the file's, and how good each order is. Nodes
    that may run at once have no order to choose.
    """
    arenas: list[SegmentArena] = []
    orders: list[tuple[str, tuple[str, ...]]] = []
    bounds: list[tuple[str, SolveBound]] = []
    for segment in partition.segments:
        views = free_views[segment.name]
        best = segment_arena(segment, stored, pinned, alignment_bytes, params, views)
        if params.order == "lowest" and not params.parallel_nodes and params.search_nodes:
            order, bound = _lowest(segment, stored, pinned, alignment_bytes, params)
            if order is None:
                bounds.append((segment.name, bound))
            else:
                other = in_order(segment, order)
                planned = segment_arena(other, stored, pinned, alignment_bytes, params, views)
                if planned.arena.size_bytes < best.arena.size_bytes:
                    best = planned
                    orders.append((segment.name, order))
                    bounds.append((segment.name, bound))
        arenas.append(best)
    return arenas, tuple(orders), tuple(bounds)


def _lowest(
    segment: Segment,
    stored: Mapping[str, Stored],
    pinned: frozenset[str],
    alignment_bytes: int,
    params: MemoryParams,
) -> tuple[tuple[str, ...] | None, SolveBound]:
    """Give an order with fewer bytes alive at one time than the file's, by node ids; None: none is known."""
    problem = order_problem(
        segment.graph,
        stored,
        pinned=pinned,
        in_place=params.in_place,
        overwrite=params.overwrite,
        alignment_bytes=alignment_bytes,
    )
    given = tuple(range(len(segment.graph.nodes)))
    found = lowest_order(problem, given, step_limit=STEPS_A_NODE * params.search_nodes)
    faults = order_faults(problem, found.order)
    if faults:  # ours: an order that breaks the rules never gets further
        raise AssertionError("; ".join(faults))
    if found.order == given:
        return None, found.bound
    return tuple(segment.graph.nodes[step].id for step in found.order), found.bound
