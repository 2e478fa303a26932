"""Every activation gets an offset, every block a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploykit.analysis.placement import place_blocks
from deploykit.analysis.planned import reordered
from deploykit.analysis.stored import Stored
from deploykit.analysis.weight_bytes import weight_bytes
from deploykit.artifacts.memory import Arena, MemoryPlan, Shortfall
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import ChipProfile
from deploykit.stages.memory.arenas import shared_arena
from deploykit.stages.memory.banks import plan_chip_memory
from deploykit.stages.memory.checks import check_options, check_sizes
from deploykit.stages.memory.claims import check_claims
from deploykit.stages.memory.notices import left_out, plan_notices
from deploykit.stages.memory.order import ordered_arenas
from deploykit.stages.memory.params import MemoryParams
from deploykit.stages.memory.prepare import prepare
from deploykit.stages.memory.relief import shortfall
from deploykit.stages.memory.state import persistent_bytes, state_buffers


def plan_network_memory(
    partition: Partition, plan: PrecisionPlan, *, profile: ChipProfile, params: MemoryParams
) -> MemoryPlan:
    """Do what `plan_memory` says."""
    check_options(partition, params, profile)
    alignment = params.alignment_bytes or profile.on_chip.alignment_bytes
    prepared = prepare(partition, plan, params, alignment)
    partition, stored, pinned = prepared.partition, prepared.stored, prepared.pinned
    check_sizes(partition, stored, prepared.unsized, params)
    check_claims(partition, stored, params)
    made, orders, order_bounds = ordered_arenas(
        partition,
        stored,
        pinned,
        alignment,
        params,
        {segment.name: _free_views(segment, profile) for segment in partition.segments},
    )
    partition = reordered(partition, dict(orders))
    outside = [root for item in made for root in item.outside]
    shared = shared_arena(partition, outside, stored, pinned, alignment, params)
    arenas = (*(item.arena for item in made), shared)
    state = state_buffers(partition, stored, alignment, history=params.history, held=prepared.held)
    placement, notices = place_blocks(partition, arenas, state, stored, profile)
    banks = plan_chip_memory(
        partition,
        plan.scheme_of(),
        stored,
        prepared.unsized,
        arenas,
        state,
        profile=profile,
        params=params,
        alignment=alignment,
    )
    return MemoryPlan(
        network=partition.network,
        chip=profile.name,
        arenas=arenas,
        state=state,
        state_bytes=persistent_bytes(state),
        weight_bytes=weight_bytes(partition, plan.scheme_of()),
        placement=placement,
        notices=(
            *notices,
            *plan_notices(partition, stored, prepared.unsized, alignment),
            *left_out(params, profile),
        ),
        unsized=prepared.unsized,
        orders=orders,
        shortfalls=_shortfalls(partition, arenas, stored, params),
        order_bounds=order_bounds,
        kept=prepared.kept,
        overwrites=tuple(params.overwrite),
        turned=tuple(name for item in made for name in item.turned),
        banks=banks,
    )


def _shortfalls(
    partition: Partition, arenas: Sequence[Arena], stored: Mapping[str, Stored], params: MemoryParams
) -> tuple[Shortfall, ...]:
    """Give every arena that is larger than allowed, with what would make it fit."""
    graphs = {segment.name: segment.graph for segment in partition.segments}
    found = (
        shortfall(
            graphs.get(arena.owner),
            arena,
            stored,
            params.arena_bytes,
            node_limit=min(params.search_nodes, 500),
        )
        for arena in arenas
    )
    return tuple(item for item in found if item is not None)


def _free_views(segment: Segment, profile: ChipProfile) -> frozenset[str]:
    """Give the operators that cost no copy on a segment's engine."""
    engines = [item for item in profile.engines if segment.engine in (item.name, item.kind)]
    return frozenset(engines[0].free_views if engines else ())
