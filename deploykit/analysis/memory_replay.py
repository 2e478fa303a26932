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

from deploykit.analysis.body_scratch import SUFFIX
from deploykit.analysis.planned import as_planned
from deploykit.analysis.storage_roots import works_in_place
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import is_alias, parts
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads
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
    partition = as_planned(partition, plan)
    memory = Memory(partition, plan)
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
        memory.end_frame(number, values)
    return Replay(len(frames), memory.reads, tuple(sorted(memory.skipped)), tuple(memory.faults))


def made_up_frames(
    partition: Partition, stored: Mapping[str, Stored], count: int, *, seed: int = 0
) -> list[Values]:
    """Make frames of random bytes, to replay a plan in any storage type without running the network.

    `stored` says how each activation lies in memory. Aliases hold their source's bytes, parts of a tensor
    theirs, a Concat its inputs' one after the other; a state input holds what the state's output held one
    frame before, at first zeros.
    """
    random = Random(seed)
    state: dict[str, bytes] = {pair.input: bytes(_size(stored, pair.input)) for pair in partition.state}
    frames: list[Values] = []
    for _ in range(count):
        values = {name: state.get(name) or random.randbytes(_size(stored, name)) for name in partition.inputs}
        for segment in partition.segments:
            for node in segment.graph.nodes:
                for name in filter(None, node.outputs):
                    values[name] = _made_up(node, segment.graph, name, values, stored, random)
        frames.append({name: value for name, value in values.items() if name in stored})
        state = {pair.input: values.get(pair.output, b"") for pair in partition.state}
    return frames


def _size(stored: Mapping[str, Stored], name: str) -> int:
    return stored[name].size_bytes if name in stored else 0


def _made_up(
    node: NodeInfo, graph: GraphInfo, name: str, values: Values, stored: Mapping[str, Stored], random: Random
) -> bytes:
    size = _size(stored, name)
    start = dict(parts(node, graph, stored)).get(name)
    if start is not None and node.inputs[0] in values:
        return values[node.inputs[0]][start : start + size]
    copied = node.inputs if node.op == "Concat" else node.inputs[:1] if is_alias(node, stored) else ()
    content = b"".join(values.get(name, b"") for name in copied)
    return content if content and len(content) == size else random.randbytes(size)


def _run_node(memory: Memory, node: NodeInfo, values: Values, where: str) -> None:
    memory.scratch(node)
    for name in dict.fromkeys(reads(node)):
        memory.check(name, values, where)
    for name in filter(None, node.outputs):
        memory.check_overwrites(name, node, values, where)
    for name in filter(None, node.outputs):
        memory.write(name, values)


class Memory:
    """The plan's blocks as bytes, with what was found wrong in them."""

    def __init__(self, partition: Partition, plan: MemoryPlan) -> None:
        self.plan = plan
        self.state_inputs = {pair.input for pair in plan.state}
        self.reads = 0
        self.skipped: set[str] = set()
        self.faults: list[str] = list(_outside(plan))
        self._arenas: dict[str, Arena] = {arena.owner: arena for arena in plan.arenas}
        self._blocks = {arena.owner: bytearray(POISON * arena.size_bytes) for arena in plan.arenas}
        self._blocks["state"] = bytearray(plan.state_bytes)
        self._fixed = dict(_places(plan))
        self._places: dict[str, tuple[str, int, int]] = {}
        self._lies_as = {name: _writer(partition, name).inputs[0] for name in plan.turned}
        self._held: list[tuple[int, int, str, bytes]] = []

    def start_frame(self, frame: int) -> None:
        """Poison what holds nothing between frames, and turn the rings of the state."""
        self.poison("shared")
        self._places = dict(self._fixed)
        for pair in self.plan.state:
            if pair.input:
                self._places[pair.input] = ("state", pair.read(frame), pair.size_bytes)
            self._places[pair.output] = ("state", pair.written(frame), pair.size_bytes)

    def end_frame(self, frame: int, values: Values) -> None:
        """See that the outputs of earlier frames still lie there as long as they have slots."""
        for until, offset, name, wanted in self._held:
            if until > frame and self._blocks["state"][offset : offset + len(wanted)] != wanted:
                self.faults.append(f"frame {frame}, after its end: an earlier {name} lost its value")
        for pair in self.plan.state:
            if pair.output in values:
                until = frame + len(pair.offsets_bytes) - max(pair.delay, 1) + 1
                self._held.append((until, pair.written(frame), pair.output, values[pair.output]))
        self._held = [item for item in self._held if item[0] > frame]

    def scratch(self, node: NodeInfo) -> None:
        """Poison what the engine may write while it runs a node's bodies."""
        if node.id + SUFFIX in self._fixed:
            block, offset, room = self._fixed[node.id + SUFFIX]
            self._blocks[block][offset : offset + room] = POISON * room

    def check(self, name: str, values: Values, where: str) -> None:
        """Compare a tensor's bytes in memory with those of the unplanned run."""
        found = self._find(name, values)
        if found is None:
            return
        self.reads += 1
        block, offset, _ = found
        wanted = self.content(name, values)
        if self._blocks[block][offset : offset + len(wanted)] != wanted:
            self.faults.append(f"{where}: {name} in {block} at {offset} no longer holds its value")

    def check_overwrites(self, name: str, node: NodeInfo, values: Values, where: str) -> None:
        """See that a result lies beside the inputs, or exactly on one, or leaves their bytes as they are."""
        target = self._find(name, values)
        for read in dict.fromkeys(reads(node)):
            source = self._find(read, values)
            if target is None or source is None or target[0] != source[0]:
                continue
            content, kept = self.content(name, values), self.content(read, values)
            first = max(source[1], target[1])
            end = min(source[1] + len(kept), target[1] + len(content))
            may = works_in_place(node, read) or name in self.plan.overwrites
            same = may and source[1] == target[1] and len(content) == len(kept)
            written = content[first - target[1] : max(end - target[1], 0)]
            if first < end and not same and written != kept[first - source[1] : end - source[1]]:
                self.faults.append(f"{where}: writing {name} destroys a part of its input {read}")

    def write(self, name: str, values: Values) -> None:
        """Put a value where the plan says."""
        found = self._find(name, values)
        if found is None:
            return
        block, offset, room = found
        content = self.content(name, values)
        if len(content) > room:
            self.faults.append(f"{name} has {len(content)} bytes, but its block in {block} has {room}")
        self._blocks[block][offset : offset + min(len(content), room)] = content[:room]

    def content(self, name: str, values: Values) -> bytes:
        """Give a tensor's bytes as they lie in memory; a transposed one may lie as its source does."""
        return values[self._lies_as.get(name, name)]

    def holds(self, name: str) -> bool:
        """Say whether the plan has a place for a tensor."""
        return name in self._places

    def content_at(self, name: str) -> bytes:
        """Give what lies at a tensor's place, to the end of its buffer."""
        block, offset, room = self._places[name]
        return bytes(self._blocks[block][offset : offset + room])

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


def _outside(plan: MemoryPlan) -> Iterator[str]:
    """Name what the plan puts outside its blocks: the bytes of a replay would grow, those of a chip don't."""
    for arena in plan.arenas:
        for buffer in arena.buffers:
            end = buffer.offset_bytes + buffer.size_bytes
            if buffer.offset_bytes < 0 or end > arena.size_bytes:
                where = f"{buffer.offset_bytes} to {end} of the {arena.size_bytes} bytes of {arena.owner}"
                yield f"{buffer.tensors[0]} lies at {where}"
    for pair in plan.state:
        low, end = min(pair.offsets_bytes), max(pair.offsets_bytes) + pair.size_bytes
        if low < 0 or end > plan.state_bytes:
            yield f"{pair.output} lies at {low} to {end} of the {plan.state_bytes} bytes of state"


def _writer(partition: Partition, name: str) -> NodeInfo:
    return next(
        segment.graph.producer[name] for segment in partition.segments if name in segment.graph.producer
    )


def _places(plan: MemoryPlan) -> Iterator[tuple[str, tuple[str, int, int]]]:
    """Give each tensor's block, offset in it, and the room from there to the end of its buffer."""
    for arena in plan.arenas:
        for buffer in arena.buffers:
            inner = buffer.inner_offsets_bytes or (0,) * len(buffer.tensors)
            for name, offset in zip(buffer.tensors, inner, strict=True):
                yield name, (arena.owner, buffer.offset_bytes + offset, buffer.size_bytes - offset)
