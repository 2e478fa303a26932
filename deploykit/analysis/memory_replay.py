"""Replays a memory plan byte by byte: does every node still find what its inputs held?

The packing's validator checks offsets; this checks lifetimes, which go wrong more often. Each value is
written where the plan says, each block that the plan frees is overwritten with poison, and each read is
compared, bit for bit, with the value that an unplanned run had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from deploykit.analysis.storage_roots import ALIASES
from deploykit.artifacts.graph import NodeInfo, reads
from deploykit.artifacts.memory import Arena, MemoryPlan
from deploykit.artifacts.model import Partition

Values: TypeAlias = Mapping[str, bytes]
"""The bytes of every activation of one frame by name, the network's inputs and states among them."""

POISON = b"\xa5"


@dataclass(frozen=True)
class Replay:
    """What a replay saw. `reads` counts the comparisons, `skipped` names the tensors that have no place."""

    frames: int
    reads: int
    skipped: tuple[str, ...]
    faults: tuple[str, ...]


def replay(partition: Partition, plan: MemoryPlan, frames: Sequence[Values]) -> Replay:
    """Run consecutive frames, segment by segment and node by node, inside the plan's blocks."""
    memory = _Memory(plan)
    for number, values in enumerate(frames):
        memory.start_frame(number)
        for name in partition.inputs:
            if name in memory.state_inputs:
                memory.check(name, values, f"frame {number}, at its start")
            else:
                memory.write(name, values)
        for index, segment in enumerate(partition.segments):
            memory.poison(segment.name)
            for step, node in enumerate(segment.graph.nodes):
                _run_node(memory, node, values, f"frame {number}, segment {segment.name}, node {node.id}")
                memory.free(segment.name, step + 1)
            memory.free("shared", index + 1, keep=partition.outputs)
        for name in partition.outputs:
            memory.check(name, values, f"frame {number}, after its end")
    return Replay(len(frames), memory.reads, tuple(sorted(memory.skipped)), tuple(memory.faults))


def made_up_frames(
    partition: Partition, sizes: Mapping[str, int], count: int, *, seed: int = 0
) -> list[Values]:
    """Make frames of random bytes, to replay a plan in any storage type without running the network.

    `sizes` gives each activation's bytes. Aliases hold their source's bytes, a Concat its inputs' one after
    the other; a state input holds what the state's output held one frame before, at first zeros.
    """
    random = Random(seed)
    state: dict[str, bytes] = {pair.input: bytes(sizes.get(pair.input, 0)) for pair in partition.state}
    frames: list[Values] = []
    for _ in range(count):
        values = {name: state.get(name) or random.randbytes(sizes.get(name, 0)) for name in partition.inputs}
        for node in (node for segment in partition.segments for node in segment.graph.nodes):
            for name in filter(None, node.outputs):
                values[name] = _made_up(node, values, sizes.get(name, 0), random)
        frames.append({name: value for name, value in values.items() if name in sizes})
        state = {pair.input: values.get(pair.output, b"") for pair in partition.state}
    return frames


def _made_up(node: NodeInfo, values: Values, size: int, random: Random) -> bytes:
    copied = node.inputs if node.op == "Concat" else node.inputs[:1] if node.op in ALIASES else ()
    content = b"".join(values.get(name, b"") for name in copied)
    return content if content and len(content) == size else random.randbytes(size)


def _run_node(memory: _Memory, node: NodeInfo, values: Values, where: str) -> None:
    for name in dict.fromkeys(reads(node)):
        memory.check(name, values, where)
    for name in filter(None, node.outputs):
        memory.check_overwrites(name, node, values, where)
    for name in filter(None, node.outputs):
        memory.write(name, values)


class _Memory:
    """The plan's blocks as bytes, with what was found wrong in them."""

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self.state_inputs = {pair.input for pair in plan.state}
        self.reads = 0
        self.skipped: set[str] = set()
        self.faults: list[str] = []
        self._arenas: dict[str, Arena] = {arena.owner: arena for arena in plan.arenas}
        self._blocks = {arena.owner: bytearray(POISON * arena.size_bytes) for arena in plan.arenas}
        self._blocks["state"] = bytearray(plan.state_bytes)
        self._fixed = dict(_places(plan))
        self._places: dict[str, tuple[str, int, int]] = {}

    def start_frame(self, frame: int) -> None:
        """Poison what holds nothing between frames, and swap the halves of the state."""
        self.poison("shared")
        self._places = dict(self._fixed)
        for pair in self.plan.state:
            read, written = (pair.offsets_bytes[(frame + half) % 2] for half in (0, 1))
            self._places[pair.input] = ("state", read, pair.size_bytes)
            self._places[pair.output] = ("state", written, pair.size_bytes)

    def check(self, name: str, values: Values, where: str) -> None:
        """Compare a tensor's bytes in memory with those of the unplanned run."""
        found = self._find(name, values)
        if found is None:
            return
        self.reads += 1
        block, offset, _ = found
        wanted = values[name]
        if self._blocks[block][offset : offset + len(wanted)] != wanted:
            self.faults.append(f"{where}: {name} in {block} at {offset} no longer holds its value")

    def check_overwrites(self, name: str, node: NodeInfo, values: Values, where: str) -> None:
        """See that a result lies beside the inputs, or exactly on one, or leaves their bytes as they are."""
        target = self._find(name, values)
        for read in dict.fromkeys(reads(node)):
            source = self._find(read, values)
            if target is None or source is None or target[0] != source[0]:
                continue
            content, kept = values[name], values[read]
            shift = source[1] - target[1]
            apart = shift >= len(content) or -shift >= len(kept)
            same = shift == 0 and len(content) == len(kept)
            if not apart and not same and content[max(shift, 0) : shift + len(kept)] != kept:
                self.faults.append(f"{where}: writing {name} destroys a part of its input {read}")

    def write(self, name: str, values: Values) -> None:
        """Put a value where the plan says."""
        found = self._find(name, values)
        if found is None:
            return
        block, offset, room = found
        if len(values[name]) > room:
            self.faults.append(f"{name} has {len(values[name])} bytes, but its block in {block} has {room}")
        self._blocks[block][offset : offset + min(len(values[name]), room)] = values[name][:room]

    def free(self, owner: str, step: int, keep: Sequence[str] = ()) -> None:
        """Poison the buffers that end with a step."""
        for buffer in self._arenas[owner].buffers:
            if buffer.end_step == step and not set(buffer.tensors) & set(keep):
                start, end = buffer.offset_bytes, buffer.offset_bytes + buffer.size_bytes
                self._blocks[owner][start:end] = POISON * buffer.size_bytes

    def poison(self, owner: str) -> None:
        """Poison a whole block."""
        self._blocks[owner][:] = POISON * len(self._blocks[owner])

    def _find(self, name: str, values: Values) -> tuple[str, int, int] | None:
        if name not in values:
            return None  # a weight
        if name not in self._places:
            self.skipped.add(name)
        return self._places.get(name)


def _places(plan: MemoryPlan) -> Iterator[tuple[str, tuple[str, int, int]]]:
    """Give each tensor's block, offset in it, and the room from there to the end of its buffer."""
    for arena in plan.arenas:
        for buffer in arena.buffers:
            inner = buffer.inner_offsets_bytes or (0,) * len(buffer.tensors)
            for name, offset in zip(buffer.tensors, inner, strict=True):
                yield name, (arena.owner, buffer.offset_bytes + offset, buffer.size_bytes - offset)
