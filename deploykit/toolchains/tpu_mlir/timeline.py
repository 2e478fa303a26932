"""The commands of tpu-mlir's compiler profile: two engines, the TPU's arithmetic and its DMA, in cycles."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

COMMAND = re.compile(
    r"(?P<kind>[\w.]+)_(?P<line>\d+)\|(?P<function>\w+)\|s:(?P<start>\d+)\|[a-z:\d|]*?\|e:(?P<last>\d+)\|t:\d+"
    r"(?:\|dr:(?P<direction>\d)\|sz:(?P<size>\d+)\|bw:[\d.]+)?"
)
FROM_OR_TO_DRAM = ("0", "1", "2")
"""Directions: DRAM to local memory, local memory to DRAM, DRAM to DRAM; 3 stays in local memory."""


@dataclass(frozen=True)
class Command:
    """One command: its operation's line in the final MLIR, its cycles (half-open), and its DRAM bytes."""

    line: int
    is_transfer: bool
    start: int
    end: int
    dram_bytes: int


def read_commands(text: str) -> tuple[Command, ...]:
    """Read every command of a profile."""
    return tuple(_commands(text))


def _commands(text: str) -> Iterator[Command]:
    for found in COMMAND.finditer(text):
        direction = found["direction"]
        size = int(found["size"] or 0) if direction in FROM_OR_TO_DRAM else 0
        yield Command(
            int(found["line"]), direction is not None, int(found["start"]), int(found["last"]) + 1, size
        )


def exposed_cycles(commands: Sequence[Command]) -> dict[int, int]:
    """Share the cycles out over operations: to what computes, else to the transfer that is waited for.

    Each cycle counts once, so that the shares add up to the total.
    """
    cuts = sorted({edge for command in commands for edge in (command.start, command.end)})
    found: defaultdict[int, int] = defaultdict(int)
    busy = [
        sorted((c for c in commands if c.is_transfer is transfer), key=lambda c: c.start)
        for transfer in (False, True)
    ]
    at = [0, 0]
    for start, end in itertools.pairwise(cuts):
        for engine, own in enumerate(busy):
            while at[engine] < len(own) and own[at[engine]].end <= start:
                at[engine] += 1
            if at[engine] < len(own) and own[at[engine]].start <= start:
                found[own[at[engine]].line] += end - start
                break
    return dict(found)
