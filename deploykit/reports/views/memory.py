"""Views of where tensors live."""

from __future__ import annotations

from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan
from deploykit.core.profile import ChipProfile
from deploykit.reports.views.nouns import ArenaView, MemoryView, Rectangle, StateRow
from deploykit.reports.views.numbers import share


def memory_view(plan: MemoryPlan | None, chip: ChipProfile) -> MemoryView | None:
    """Give the arenas, each beside its bound and its unplanned size, and the network's totals."""
    if plan is None:
        return None
    placement = dict(plan.placement)
    on_chip = chip.on_chip.size_bytes.value
    return MemoryView(
        arenas=tuple(_arena(arena, placement.get(arena.owner, "")) for arena in plan.arenas),
        state=tuple(StateRow(pair.output, pair.input, pair.size_bytes) for pair in plan.state),
        activation_bytes=sum(arena.size_bytes for arena in plan.arenas),
        state_bytes=plan.state_bytes,
        weight_bytes=plan.weight_bytes,
        on_chip_bytes=None if on_chip is None else int(on_chip),
        unsized=plan.unsized,
    )


def _arena(arena: Arena, placement: str) -> ArenaView:
    return ArenaView(
        owner=arena.owner,
        placement=placement,
        size_bytes=arena.size_bytes,
        lower_bound_bytes=arena.bound.lower_bound,
        unplanned_bytes=arena.unplanned_bytes,
        saved_share=share(arena.unplanned_bytes - arena.size_bytes, arena.unplanned_bytes),
        status=arena.bound.status,
        method=arena.bound.method,
        rectangles=tuple(_rectangle(buffer) for buffer in arena.buffers),
    )


def _rectangle(buffer: Buffer) -> Rectangle:
    others = len(buffer.tensors) - 1
    label = buffer.tensors[0] + (f" and {others} more in place" if others else "")
    return Rectangle(label, buffer.first_step, buffer.end_step, buffer.offset_bytes, buffer.size_bytes)
