"""Faults planted into memory plans, each of which destroys a value that somebody still needs."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploykit.analysis.planned import as_planned
from deploykit.analysis.storage_roots import works_in_place
from deploykit.artifacts.graph import NodeInfo, reads
from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan
from deploykit.artifacts.model import Partition

Bytes = Mapping[str, bytes]
"""Every tensor's bytes in one frame of a run without a plan."""


@dataclass(frozen=True)
class Planted:
    """A plan with one fault, and what it is."""

    kind: str
    plan: MemoryPlan
    what: str


def planted(partition: Partition, plan: MemoryPlan, frame: Bytes, pick: random.Random) -> Planted | None:
    """Plant one fault of a random kind that this plan can have; None where it can have none.

    Whether an overlap destroys a needed value is told from when tensors are written and read and from their
    bytes, not by a replay.
    """
    network = as_planned(partition, plan)
    makers = [_overlap, _early_end, _one_slot, _shifted_view]
    pick.shuffle(makers)
    for make in makers:
        found = list(make(network, plan, frame))
        if found:
            return pick.choice(found)
    return None


@dataclass(frozen=True)
class _Life:
    """When a tensor is written and read, in global steps; inputs are written before step 0."""

    written: int
    reads: tuple[tuple[int, NodeInfo], ...]


def _lives(network: Partition) -> dict[str, _Life]:
    written = dict.fromkeys(network.inputs, -1)
    seen: dict[str, list[tuple[int, NodeInfo]]] = {}
    nodes = [node for segment in network.segments for node in segment.graph.nodes]
    for step, node in enumerate(nodes):
        for name in dict.fromkeys(reads(node)):
            seen.setdefault(name, []).append((step, node))
        for name in filter(None, node.outputs):
            written[name] = step
    return {name: _Life(step, tuple(seen.get(name, ()))) for name, step in written.items()}


def _overlap(network: Partition, plan: MemoryPlan, frame: Bytes) -> Iterator[Planted]:
    """Move a block onto another one of its arena that is needed at the same time."""
    lives = _lives(network)
    for arena in plan.arenas:
        for moved in arena.buffers:
            for other in arena.buffers:
                if moved is not other and _destroys(moved, other, lives, frame, plan):
                    yield Planted(
                        "overlap",
                        _replaced(plan, arena, moved, offset_bytes=other.offset_bytes),
                        f"{moved.tensors[0]} at the place of {other.tensors[0]} in {arena.owner}",
                    )


def _destroys(
    moved: Buffer, other: Buffer, lives: Mapping[str, _Life], frame: Bytes, plan: MemoryPlan
) -> bool:
    """Say whether a tensor of one block is written over one of the other that is read at or after that."""
    if "::bodies" in moved.tensors[0] or "::bodies" in other.tensors[0]:
        return False
    return any(
        _kills(writer, victim, lives, frame, plan, first, second)
        for first, second in ((moved, other), (other, moved))
        for writer in first.tensors
        for victim in second.tensors
    )


def _kills(
    writer: str,
    victim: str,
    lives: Mapping[str, _Life],
    frame: Bytes,
    plan: MemoryPlan,
    first: Buffer,
    second: Buffer,
) -> bool:
    if writer not in frame or victim not in frame or {writer, victim} & set(plan.turned):
        return False
    step = lives[writer].written
    if lives[victim].written >= step or any(
        lives[victim].written < lives[name].written < step for name in second.tensors if name in lives
    ):
        return False
    late = [(when, node) for when, node in lives[victim].reads if when >= step]
    start_a, start_b = _inner(first, writer), _inner(second, victim)
    low, high = max(start_a, start_b), min(start_a + len(frame[writer]), start_b + len(frame[victim]))
    if (
        low >= high
        or frame[writer][low - start_a : high - start_a] == frame[victim][low - start_b : high - start_b]
    ):
        return False
    exact = start_a == start_b and len(frame[writer]) == len(frame[victim])
    return any(when > step or not (exact and works_in_place(node, victim)) for when, node in late)


def _inner(buffer: Buffer, name: str) -> int:
    inner = buffer.inner_offsets_bytes or (0,) * len(buffer.tensors)
    return inner[buffer.tensors.index(name)]


def _early_end(network: Partition, plan: MemoryPlan, frame: Bytes) -> Iterator[Planted]:
    """End a block a step before the last node that reads it."""
    for segment in network.segments:
        arena = next(item for item in plan.arenas if item.owner == segment.name)
        nodes = segment.graph.nodes
        for buffer in arena.buffers:
            last = buffer.end_step - 1
            read = set(reads(nodes[last])) & set(buffer.tensors) if last < len(nodes) else set()
            if read and last > buffer.first_step and any(frame.get(name) for name in read):
                yield Planted(
                    "early end",
                    _replaced(plan, arena, buffer, end_step=last),
                    f"{buffer.tensors[0]} ends before node {nodes[last].id} reads {sorted(read)[0]}",
                )


def _one_slot(network: Partition, plan: MemoryPlan, frame: Bytes) -> Iterator[Planted]:
    """Give a state one slot, where its input is still read when its output is written."""
    lives = _lives(network)
    for ring in plan.state:
        if not ring.input or len(ring.offsets_bytes) < 2 or ring.delay != 1:
            continue
        written = lives[ring.output].written
        late = [(when, node) for when, node in lives[ring.input].reads if when >= written]
        needed = any(when > written or not works_in_place(node, ring.input) for when, node in late)
        if needed and frame[ring.input] != frame[ring.output]:
            slots = (ring.offsets_bytes[0],) * len(ring.offsets_bytes)
            state = tuple(
                dataclasses.replace(item, offsets_bytes=slots)
                if item.offsets_bytes == ring.offsets_bytes
                else item
                for item in plan.state
            )
            yield Planted("one slot", dataclasses.replace(plan, state=state), f"state {ring.output}")


def _shifted_view(network: Partition, plan: MemoryPlan, frame: Bytes) -> Iterator[Planted]:
    """Let a part of a block start at another place than the one at which its bytes lie."""
    lives = _lives(network)
    for arena in plan.arenas:
        for buffer in arena.buffers:
            for index, name in enumerate(buffer.tensors):
                offsets = buffer.inner_offsets_bytes
                if not offsets or not offsets[index] or name not in frame or not lives[name].reads:
                    continue
                moved = tuple(0 if at == index else offset for at, offset in enumerate(offsets))
                whole = [other for other, offset in zip(buffer.tensors, offsets, strict=True) if not offset]
                if any(
                    _views_differ(name, other, offsets[index], frame) for other in whole if other in frame
                ):
                    yield Planted(
                        "shifted view",
                        _replaced(plan, arena, buffer, inner_offsets_bytes=moved),
                        f"{name} at the start of {buffer.tensors[0]}'s block",
                    )


def _views_differ(part: str, whole: str, start: int, frame: Bytes) -> bool:
    """Say whether a tensor is a part of another from `start` on, and that one begins with other bytes."""
    content = frame[part]
    is_part = frame[whole][start : start + len(content)] == content
    return is_part and frame[whole][: len(content)] != content


def _replaced(plan: MemoryPlan, arena: Arena, buffer: Buffer, **changes: object) -> MemoryPlan:
    made = dataclasses.replace(buffer, **changes)  # type: ignore[arg-type]  # callers name the fields
    buffers = tuple(made if item is buffer else item for item in arena.buffers)
    size = max(arena.size_bytes, *(item.offset_bytes + item.size_bytes for item in buffers))
    changed = dataclasses.replace(arena, buffers=buffers, size_bytes=size)
    return dataclasses.replace(plan, arenas=tuple(changed if item is arena else item for item in plan.arenas))
