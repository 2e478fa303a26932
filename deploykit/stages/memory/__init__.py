"""Plan memory: every activation gets an offset, every block a place."""

from __future__ import annotations

from deploykit.analysis.placement import SHARED, STATE, place_blocks
from deploykit.analysis.storage_roots import StorageRoot
from deploykit.analysis.stored import stored_tensors
from deploykit.analysis.weight_bytes import weight_bytes
from deploykit.artifacts.memory import Arena, MemoryPlan
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile
from deploykit.stages.call import StageCall
from deploykit.stages.memory.arenas import segment_arena, shared_arena
from deploykit.stages.memory.notices import plan_notices
from deploykit.stages.memory.params import MemoryParams
from deploykit.stages.memory.state import state_buffers

__all__ = ["GIVES", "PARAMS", "MemoryParams", "plan_memory", "run"]

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
        arena, roots = segment_arena(segment, stored, pinned, alignment, params)
        arenas.append(arena)
        boundary_roots += roots
    arenas.append(shared_arena(partition, boundary_roots, stored, pinned, alignment, params))
    state = state_buffers(partition, stored, alignment)
    placement, notices = place_blocks(partition, arenas, state, stored, profile)
    return MemoryPlan(
        network=partition.network,
        chip=profile.name,
        arenas=tuple(arenas),
        state=state,
        state_bytes=sum(2 * buffers.size_bytes for buffers in state),
        weight_bytes=weight_bytes(partition, plan.scheme_of()),
        placement=placement,
        notices=(*notices, *plan_notices(partition, unsized)),
        unsized=unsized,
    )
