"""State between frames: memory of its own."""

from __future__ import annotations

from collections.abc import Mapping

from deploykit.analysis.stored import Stored
from deploykit.artifacts.memory import StateBuffers
from deploykit.artifacts.model import Partition
from deploykit.stages.memory.arenas import round_up


def state_buffers(
    partition: Partition, stored: Mapping[str, Stored], alignment: int
) -> tuple[StateBuffers, ...]:
    """Give each state pair two halves of its own, one after the other; nothing else ever lies there."""
    found: list[StateBuffers] = []
    end = 0
    for pair in partition.state:
        sizes = [stored[name].size_bytes for name in (pair.output, pair.input) if name in stored]
        half = round_up(max(sizes, default=0), alignment)
        found.append(StateBuffers(pair.output, pair.input, half, (end, end + half)))
        end += 2 * half
    return tuple(found)
