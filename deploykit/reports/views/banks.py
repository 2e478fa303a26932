"""Views of the chip's own memory, and of what is alive where memory is fullest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploykit.artifacts.banks import BankItem, BankPlan
from deploykit.reports.views.nouns.memory import BankBox, BanksView, PeakView, Rectangle, WhatIfRow

LARGEST = 5


def banks_view(plan: BankPlan) -> BanksView:
    """Give what lies in which bank, and the traffic beside its bound and its alternatives."""
    return BanksView(
        bank_count=plan.bank_count,
        bank_bytes=plan.bank_bytes,
        steps=plan.steps,
        boxes=tuple(_boxes(plan)),
        all_dram_bytes=plan.all_dram_bytes,
        greedy_bytes=plan.greedy_bytes,
        traffic_bytes=plan.traffic_bytes,
        lower_bound_bytes=plan.bound.lower_bound,
        gap_share=plan.bound.gap,
        status=plan.bound.status,
        method=plan.bound.method,
        all_dram_s=plan.all_dram_s,
        planned_s=plan.planned_s,
        resident_weight_bytes=plan.resident_weight_bytes,
        streamed_weight_bytes=plan.streamed_weight_bytes,
        spilled=sum(len(item.stays) > 1 or _refilled(item) for item in plan.items),
        tiled=sum(item.tiles is not None for item in plan.items),
        prefetched=len(plan.prefetches),
        dram_bytes=plan.dram_bytes,
        what_if=tuple(
            WhatIfRow(other.bank_count, other.traffic_bytes, other.lower_bound_bytes)
            for other in plan.what_if
        ),
        notices=plan.notices,
    )


def peak_view(place: str, rectangles: Sequence[Rectangle]) -> PeakView:
    """Give the step of the most live bytes, the first of several, and the largest blocks alive at it."""

    def alive(step: int) -> list[Rectangle]:
        return [box for box in rectangles if box.first_step <= step < box.end_step]

    steps = sorted({box.first_step for box in rectangles})
    step = max(steps, key=lambda step: sum(box.size_bytes for box in alive(step)), default=0)
    there = sorted(alive(step), key=lambda box: (-box.size_bytes, box.offset_bytes))
    return PeakView(place, step, sum(box.size_bytes for box in there), tuple(there[:LARGEST]))


def _boxes(plan: BankPlan) -> Iterator[BankBox]:
    for item in plan.items:
        for stay in item.stays:
            others = len(item.tensors) - 1
            name = item.tensors[0] + (f" and {others} more in place" if others else "")
            box = Rectangle(name, stay.first_step, stay.end_step, stay.offset_bytes, stay.size_bytes)
            yield BankBox(item.kind, stay.bank, box, _note(item, stay.refilled))
    for fetched in plan.prefetches:
        stay = fetched.stay
        box = Rectangle(fetched.tensor, stay.first_step, stay.end_step, stay.offset_bytes, stay.size_bytes)
        yield BankBox("prefetch", stay.bank, box, "fetched while the layer before computes")


def _note(item: BankItem, refilled: bool) -> str:
    if item.tiles is not None:
        halo = f", {item.tiles.halo_rows} rows of halo" if item.tiles.halo_rows else ""
        return f"one of {item.tiles.count} tiles by {item.tiles.axis}{halo}"
    if refilled:
        return "comes back from DRAM"
    return ""


def _refilled(item: BankItem) -> bool:
    return any(stay.refilled for stay in item.stays)
