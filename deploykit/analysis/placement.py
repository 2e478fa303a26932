"""Which blocks of memory go on the chip: those that save the most off-chip traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from deploykit.analysis.stored import Stored
from deploykit.artifacts.memory import Arena, StateBuffers
from deploykit.artifacts.model import Partition
from deploykit.core.profile import ChipProfile

Place: TypeAlias = Literal["sram", "dram"]

SHARED = "shared"
STATE = "state"
"""The owners of the blocks that belong to no segment."""


@dataclass(frozen=True)
class Claim:
    """A block that wants on-chip memory, and the bytes a frame that are moved through it.

    A `kept` block holds its bytes between segments; the others (arenas) are empty outside their own
    segment, so that one after the other may use the same on-chip bytes.
    """

    owner: str
    size_bytes: int
    traffic_bytes: int
    kept: bool


def on_chip(claims: Sequence[Claim], capacity_bytes: int) -> frozenset[str]:
    """Give the owners whose blocks go on the chip: the choice of kept blocks that saves the most traffic.

    An arena fits where it and the kept blocks together do. There are few kept blocks, so every choice is
    tried; ties go to the one that keeps less.
    """
    kept = [claim for claim in claims if claim.kept]
    best: tuple[int, frozenset[str]] = (-1, frozenset())
    for wanted in sorted(product((False, True), repeat=len(kept)), key=sum):
        chosen = [claim for claim, take in zip(kept, wanted, strict=True) if take]
        left = capacity_bytes - sum(claim.size_bytes for claim in chosen)
        if left < 0:
            continue
        chosen += [claim for claim in claims if not claim.kept and claim.size_bytes <= left]
        saved = sum(claim.traffic_bytes for claim in chosen)
        if saved > best[0]:
            best = (saved, frozenset(claim.owner for claim in chosen))
    return best[1]


def place_blocks(
    partition: Partition,
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    stored: Mapping[str, Stored],
    profile: ChipProfile,
) -> tuple[tuple[tuple[str, Place], ...], tuple[str, ...]]:
    """Say what goes on the chip. Only the chip's main engine has on-chip memory that a toolchain can use."""
    owners = [arena.owner for arena in arenas] + ([STATE] if state else [])
    capacity = profile.on_chip.size_bytes.value
    if capacity is None:
        notice = f"all blocks are placed in DRAM: the profile of {profile.name} gives no on-chip memory size"
        return tuple((owner, "dram") for owner in owners), (notice,)
    claims = _claims(partition, arenas, state, stored, profile)
    chosen = on_chip(claims, int(capacity))
    places: list[tuple[str, Place]] = [(owner, "sram" if owner in chosen else "dram") for owner in owners]
    notices = ["on-chip memory is planned for one segment at a time; what runs beside it must use DRAM"]
    notices += [
        f"{claim.owner}: {claim.size_bytes} bytes do not fit in the chip's {int(capacity)}: placed in DRAM"
        for claim in claims
        if claim.size_bytes > capacity
    ]
    return tuple(places), tuple(notices) if any(place == "sram" for _, place in places) else tuple(
        notices[1:]
    )


def _claims(
    partition: Partition,
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    stored: Mapping[str, Stored],
    profile: ChipProfile,
) -> list[Claim]:
    """Give the blocks that the main engine could keep on the chip, with their traffic a frame."""
    uses: dict[str, int] = {}
    for segment in partition.segments:
        for name, nodes in segment.graph.consumers.items():
            uses[name] = uses.get(name, 0) + len(nodes)

    def traffic(names: Sequence[str]) -> int:
        return sum(stored[name].size_bytes * (1 + uses.get(name, 0)) for name in names if name in stored)

    main = profile.engines[0]
    elsewhere = {
        segment.name for segment in partition.segments if segment.engine not in (main.name, main.kind)
    }
    claims = [
        Claim(
            arena.owner,
            arena.size_bytes,
            traffic([name for buffer in arena.buffers for name in buffer.tensors]),
            kept=arena.owner == SHARED,
        )
        for arena in arenas
        if arena.owner not in elsewhere
    ]
    if state:
        names = [name for buffers in state for name in (buffers.output, buffers.input)]
        rings = {item.offsets_bytes: item.size_bytes * len(item.offsets_bytes) for item in state}
        claims.append(Claim(STATE, sum(rings.values()), traffic(names), kept=True))
    return claims
