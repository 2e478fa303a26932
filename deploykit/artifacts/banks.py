"""What lies in the chip's own memory, bank by bank, and what that saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploykit.core.bounds import SolveBound

BankKind: TypeAlias = Literal["activation", "state", "weight"]


@dataclass(frozen=True)
class BankStay:
    """Half-open bytes [offset_bytes, offset_bytes + size_bytes) of a bank over half-open steps.

    `refilled`: the content comes from DRAM in its first step, by the node that reads it there.
    """

    bank: int
    offset_bytes: int
    size_bytes: int
    first_step: int
    end_step: int
    refilled: bool = False


@dataclass(frozen=True)
class BankTiles:
    """A block too large for a bank that two layers pass on in tiles, of which one is on chip at a time.

    `halo_rows` are shared by neighbouring tiles; `again_bytes` are read again for them.
    """

    axis: Literal["batch", "rows"]
    count: int
    halo_rows: int
    again_bytes: int


@dataclass(frozen=True)
class BankItem:
    """Tensors that share one block, kept on chip over `stays`.

    `saved_bytes` are not moved off chip, of `all_bytes` that would be. More than one stay is a spill: the
    block goes to DRAM and comes back. A weight whose stay covers all steps is resident from frame to frame.
    """

    kind: BankKind
    tensors: tuple[str, ...]
    stays: tuple[BankStay, ...]
    saved_bytes: int
    all_bytes: int
    tiles: BankTiles | None = None


@dataclass(frozen=True)
class Prefetch:
    """A weight that is read from DRAM over the steps before its reader, into a bank's free bytes."""

    tensor: str
    stay: BankStay
    saved_s: float


@dataclass(frozen=True)
class DramBlock:
    """A block that needs room in DRAM beside, or instead of, the banks."""

    tensors: tuple[str, ...]
    size_bytes: int
    offset_bytes: int
    first_step: int
    end_step: int


@dataclass(frozen=True)
class WhatIf:
    """The traffic with another number of banks of the same size."""

    bank_count: int
    traffic_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True)
class BankPlan:
    """On-chip memory of one network. Steps count the nodes of all segments, one segment after the other.

    `segment_steps` has the step at which each segment begins. Traffic is off-chip bytes a frame: with
    nothing on chip (`all_dram_bytes`), by the rule of largest first (`greedy_bytes`), and as planned
    (`bound.objective`, in bytes, beside the least that any plan could have). `all_dram_s` and `planned_s` are
    the roofline's time of all layers with that traffic, None where the profile doesn't give the rates.
    `dram` is the arena of what isn't on chip for all its life.
    """

    bank_count: int
    bank_bytes: int
    alignment_bytes: int
    steps: int
    segment_steps: tuple[tuple[str, int], ...]
    items: tuple[BankItem, ...]
    bound: SolveBound
    all_dram_bytes: int
    greedy_bytes: int
    resident_weight_bytes: int
    streamed_weight_bytes: int
    dram_bytes: int
    dram: tuple[DramBlock, ...]
    what_if: tuple[WhatIf, ...]
    prefetches: tuple[Prefetch, ...] = ()
    all_dram_s: float | None = None
    planned_s: float | None = None
    notices: tuple[str, ...] = ()

    @property
    def traffic_bytes(self) -> int:
        """Off-chip bytes a frame as planned."""
        return self.bound.objective
