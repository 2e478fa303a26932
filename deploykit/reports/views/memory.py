"""Views of where tensors live."""

from __future__ import annotations

from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan
from deploykit.artifacts.memory_replay import MemoryReplay, ReplayRun
from deploykit.core.profile import ChipProfile
from deploykit.reports.views.banks import banks_view, peak_view
from deploykit.reports.views.nouns.memory import ArenaView, MemoryView, Rectangle, ReplayRow, StateRow
from deploykit.reports.views.numbers import share


def memory_view(
    plan: MemoryPlan | None, chip: ChipProfile, replay: MemoryReplay | None = None
) -> MemoryView | None:
    """Give the arenas, each beside its bound and its unplanned size, the network's totals, and the proof."""
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
        replays=tuple(_replay(run) for run in replay.runs) if replay else (),
        peaks=tuple(
            peak_view(arena.owner, [_rectangle(it) for it in arena.buffers]) for arena in plan.arenas
        ),
        banks=banks_view(plan.banks) if plan.banks else None,
    )


def _replay(run: ReplayRun) -> ReplayRow:
    holds = run.bit_equal and not run.fault_count
    first = run.faults[0] if run.faults else ""
    return ReplayRow(run.frames, run.reads, run.outputs, holds, run.fault_count, first)


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
