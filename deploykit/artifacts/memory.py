"""Where each tensor lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class Buffer:
    """A block of an arena: half-open bytes [offset_bytes, offset_bytes + size_bytes), alive over the half-open
    step interval [first_step, end_step). `tensors` share it, by in-place use or as aliases (Reshape ...)."""

    tensors: tuple[str, ...]
    size_bytes: int
    offset_bytes: int
    first_step: int
    end_step: int


@dataclass(frozen=True)
class Arena:
    """One block of memory. `owner` is a segment's name, or "shared" for what crosses segments.

    `bound` is in bytes: the objective is the arena's size, the lower bound that of any packing.
    """

    owner: str
    size_bytes: int
    alignment_bytes: int
    buffers: tuple[Buffer, ...]
    bound: SolveBound
    unplanned_bytes: int


@dataclass(frozen=True)
class StateBuffers:
    """A state pair's double buffer in persistent memory: frame t reads one half and writes the other."""

    output: str
    input: str
    size_bytes: int
    offsets_bytes: tuple[int, int]


@dataclass(frozen=True)
class MemoryPlan:
    """All memory of one network on one chip. `placement` says where an arena fits ("sram" or "dram")."""

    network: str
    chip: str
    arenas: tuple[Arena, ...]
    state: tuple[StateBuffers, ...]
    state_bytes: int
    weight_bytes: int
    placement: tuple[tuple[str, Literal["sram", "dram"]], ...]
    notices: tuple[str, ...] = ()
