"""Which blocks of memory go on the chip: those that save the most off-chip traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product


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
