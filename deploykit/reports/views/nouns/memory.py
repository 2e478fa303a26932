"""Memory: arenas, what lies in the chip's own banks, and the proof."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A buffer: half-open steps [first_step, end_step), half-open bytes from `offset_bytes`."""

    label: str
    first_step: int
    end_step: int
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class ArenaView:
    """One arena beside what it would cost unplanned and what no packing can beat."""

    owner: str
    placement: str
    size_bytes: int
    lower_bound_bytes: int
    unplanned_bytes: int
    saved_share: float
    status: str
    method: str
    rectangles: tuple[Rectangle, ...]


@dataclass(frozen=True)
class StateRow:
    """A state pair's double buffer."""

    output: str
    input: str
    size_bytes: int


@dataclass(frozen=True)
class ReplayRow:
    """A run inside the planned memory: what was compared, and whether all of it held."""

    frames: int
    reads: int
    outputs: int
    holds: bool
    fault_count: int
    first_fault: str


@dataclass(frozen=True)
class PeakView:
    """The step at which the most bytes are alive, and the largest blocks alive then."""

    place: str
    step: int
    live_bytes: int
    largest: tuple[Rectangle, ...]


@dataclass(frozen=True)
class BankBox:
    """What lies in a bank over some steps; `note` says what is special about it, or ""."""

    kind: str
    bank: int
    rectangle: Rectangle
    note: str


@dataclass(frozen=True)
class WhatIfRow:
    """The traffic with another number of banks."""

    bank_count: int
    traffic_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True)
class BanksView:
    """The chip's own memory, and the off-chip bytes a frame with and without it."""

    bank_count: int
    bank_bytes: int
    steps: int
    boxes: tuple[BankBox, ...]
    all_dram_bytes: int
    greedy_bytes: int
    traffic_bytes: int
    lower_bound_bytes: int
    gap_share: float
    status: str
    method: str
    all_dram_s: float | None
    planned_s: float | None
    resident_weight_bytes: int
    streamed_weight_bytes: int
    spilled: int
    tiled: int
    prefetched: int
    dram_bytes: int
    what_if: tuple[WhatIfRow, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class MemoryView:
    """All memory of one network. `activation_bytes` is the sum of the arenas."""

    arenas: tuple[ArenaView, ...]
    state: tuple[StateRow, ...]
    activation_bytes: int
    state_bytes: int
    weight_bytes: int
    on_chip_bytes: int | None
    unsized: tuple[str, ...]
    """Tensors of unknown size: they are in no arena."""
    replays: tuple[ReplayRow, ...] = ()
    peaks: tuple[PeakView, ...] = ()
    banks: BanksView | None = None
