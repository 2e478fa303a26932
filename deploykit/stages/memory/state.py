"""State between frames, and outputs that the application holds: memory of their own, a slot a frame."""

from __future__ import annotations

from collections.abc import Mapping

from deploykit.analysis.stored import Stored
from deploykit.analysis.views import is_alias
from deploykit.artifacts.memory import StateBuffers
from deploykit.artifacts.model import Partition, StatePair
from deploykit.stages.memory.arenas import round_up


def state_buffers(
    partition: Partition,
    stored: Mapping[str, Stored],
    alignment_bytes: int,
    *,
    history: Mapping[str, int],
    held: Mapping[str, int],
) -> tuple[StateBuffers, ...]:
    """Give each state pair a ring of slots, one after the other; nothing else ever lies there.

    A pair whose output is another pair's input, handed on as it is, has that pair's ring: a history of N
    frames takes N + 1 slots and no copies. `history` and `held` say by output for how many frames it must
    stay.
    """
    sources = _handed_on(partition, stored)
    found: list[StateBuffers] = []
    end = 0
    for group in _rings(partition, sources):
        delays = {pair: place + 1 for place, pair in enumerate(group)}
        first = group[0].output
        frames = max([1, *(history.get(pair.output, 1) for pair in group)])
        slots = max(len(group), frames) + 1
        slots = max([slots, *(held.get(pair.output, 0) for pair in group)])
        sizes = [stored[name].size_bytes for name in (first, group[0].input) if name in stored]
        size = round_up(max(sizes, default=0), alignment_bytes)
        offsets = tuple(end + slot * size for slot in range(slots))
        found += [StateBuffers(pair.output, pair.input, size, offsets, delays[pair]) for pair in group]
        end += slots * size
    paired = {pair.output for pair in partition.state}
    for name, frames in held.items():
        if name not in paired:
            size = round_up(stored[name].size_bytes if name in stored else 0, alignment_bytes)
            offsets = tuple(end + slot * size for slot in range(frames))
            found.append(StateBuffers(name, "", size, offsets, 0))
            end += frames * size
    return tuple(found)


def persistent_bytes(buffers: tuple[StateBuffers, ...]) -> int:
    """Sum the slots of all rings; pairs that share one count once."""
    rings = {item.offsets_bytes: item.size_bytes * len(item.offsets_bytes) for item in buffers}
    return sum(rings.values())


def _rings(partition: Partition, sources: Mapping[str, str]) -> list[list[StatePair]]:
    """Group the pairs that hand one value on, from its youngest reader to its oldest."""
    follower: dict[str, StatePair] = {}
    for pair in partition.state:
        if pair.output in sources:
            follower.setdefault(sources[pair.output], pair)
    followers = {id(pair) for pair in follower.values()}
    rings = []
    for pair in partition.state:
        if id(pair) in followers:
            if _turns_round(pair, follower):
                rings.append([pair])
            continue
        ring = [pair]
        while (after := follower.get(ring[-1].input)) is not None:
            ring.append(after)
        rings.append(ring)
    return rings


def _turns_round(pair: StatePair, follower: Mapping[str, StatePair]) -> bool:
    """Say whether pairs only hand on to each other in a circle, so that this one's value is its own."""
    seen = pair
    for _ in range(len(follower) + 1):
        after = follower.get(seen.input)
        if after is None:
            return False
        if after is pair:
            return True
        seen = after
    return False


def _handed_on(partition: Partition, stored: Mapping[str, Stored]) -> dict[str, str]:
    """Give for each state output that is a state input under another name that input."""
    inputs = {pair.input for pair in partition.state}
    producer = {name: node for segment in partition.segments for name, node in segment.graph.producer.items()}
    found = {}
    for pair in partition.state:
        name = pair.output
        while (node := producer.get(name)) is not None and is_alias(node, stored):
            name = node.inputs[0]
        if name in inputs and name in stored and stored.get(pair.output) == stored[name]:
            found[pair.output] = name
    return found
