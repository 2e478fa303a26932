"""Where an arena is larger than allowed: the smallest change of the network's run that makes it fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deploykit.analysis.storage_roots import ELEMENTWISE
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads
from deploykit.artifacts.memory import Arena, Buffer, Relief, Shortfall
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle, lower_bound

MOST_CHANGES = 6
PARTS = (2, 4, 8)
"""Into how many stripes of rows a tensor may be split."""

_BY_ROWS = ELEMENTWISE | {"Conv", "MaxPool", "AveragePool"}

Pieces = Mapping[int, tuple[Rectangle, ...]]
"""What stands for a buffer (by index) instead of its one rectangle."""


@dataclass(frozen=True)
class _Change:
    """A relief without its effect, and the rectangles that it changes."""

    kind: str
    tensor: str
    moved_bytes: int
    words: str
    pieces: Pieces


def shortfall(
    graph: GraphInfo | None,
    arena: Arena,
    stored: Mapping[str, Stored],
    available_bytes: int,
    *,
    node_limit: int,
) -> Shortfall | None:
    """Say by how much an arena is too large, where, and what would help; None where it fits.

    Tried are spilling a tensor to other memory while nobody needs it, computing it again, and running two
    nodes in stripes of rows so that the tensor between them is never whole. One change is preferred, the one
    that moves the fewest bytes a frame; several where no single one is enough. Each has been packed.
    `graph` is the arena's segment in the planned order; None for the shared block, which has no such changes.
    """
    if not available_bytes or arena.size_bytes <= available_bytes:
        return None
    step, alive = _peak(arena.buffers)
    node = graph.nodes[step].id if graph and step < len(graph.nodes) else ""
    problem = _Problem(arena, available_bytes, node_limit)
    changes = list(_changes(graph, arena, stored)) if graph else []
    chosen = _one(problem, changes) or _several(problem, changes)
    return Shortfall(
        owner=arena.owner,
        required_bytes=arena.size_bytes,
        available_bytes=available_bytes,
        node=node,
        alive=tuple((buffer.tensors[0], buffer.size_bytes) for buffer in alive),
        changes=tuple(Relief(item.kind, item.tensor, item.moved_bytes, item.words) for item in chosen),
        changed_bytes=problem.height([item.pieces for item in chosen]) if chosen else None,
    )


@dataclass(frozen=True)
class _Problem:
    """An arena's packing with some buffers changed."""

    arena: Arena
    available_bytes: int
    node_limit: int

    def of(self, changes: Sequence[Pieces]) -> PackingProblem:
        """Give the rectangles after some changes."""
        pieces = {index: found for change in changes for index, found in change.items()}
        rectangles: list[Rectangle] = []
        for index, buffer in enumerate(self.arena.buffers):
            rectangles += pieces.get(index, (_rectangle(buffer),))
        return PackingProblem(tuple(rectangles), self.arena.alignment_bytes)

    def bound(self, changes: Sequence[Pieces]) -> int:
        """Give the most bytes alive at one time after some changes."""
        return lower_bound(self.of(changes))

    def height(self, changes: Sequence[Pieces]) -> int:
        """Pack after some changes; gives the arena's size."""
        return pack(self.of(changes), node_limit=self.node_limit).bound.objective


def _one(problem: _Problem, changes: Sequence[_Change]) -> list[_Change]:
    """Give the one change of the fewest bytes that is enough."""
    for change in sorted(changes, key=lambda item: (item.moved_bytes, item.kind, item.tensor)):
        low_enough = problem.bound([change.pieces]) <= problem.available_bytes
        if low_enough and problem.height([change.pieces]) <= problem.available_bytes:
            return [change]
    return []


def _several(problem: _Problem, changes: Sequence[_Change]) -> list[_Change]:
    """Add the change that leaves the fewest bytes alive, then the next, as long as that helps."""
    chosen: list[_Change] = []
    best = problem.bound([])
    while len(chosen) < MOST_CHANGES:
        taken = {index for item in chosen for index in item.pieces}
        tried = [
            (problem.bound([*(other.pieces for other in chosen), item.pieces]), item.moved_bytes, place)
            for place, item in enumerate(changes)
            if not taken & item.pieces.keys()
        ]
        if not tried or min(tried)[:2] >= (best, 0):
            return []
        best, _, place = min(tried)
        chosen.append(changes[place])
        if best <= problem.available_bytes:
            fits = problem.height([item.pieces for item in chosen]) <= problem.available_bytes
            if fits:
                return chosen
    return []


def _peak(buffers: Sequence[Buffer]) -> tuple[int, list[Buffer]]:
    """Give the first step with the most bytes alive, and the buffers that are, largest first."""
    most, best = -1, 0
    for step in sorted({buffer.first_step for buffer in buffers}):
        live = sum(item.size_bytes for item in buffers if item.first_step <= step < item.end_step)
        if live > most:
            most, best = live, step
    alive = [item for item in buffers if item.first_step <= best < item.end_step]
    return best, sorted(alive, key=lambda item: -item.size_bytes)


def _rectangle(buffer: Buffer) -> Rectangle:
    return Rectangle(buffer.size_bytes, buffer.first_step, buffer.end_step)


def _changes(graph: GraphInfo, arena: Arena, stored: Mapping[str, Stored]) -> Iterator[_Change]:
    uses: dict[str, list[int]] = {}
    for step, node in enumerate(graph.nodes):
        for name in (*reads(node), *node.outputs):
            uses.setdefault(name, []).append(step)
    where = {name: index for index, buffer in enumerate(arena.buffers) for name in buffer.tensors}
    for index, buffer in enumerate(arena.buffers):
        steps = sorted({step for name in buffer.tensors for step in uses.get(name, ())})
        for before, after in pairwise(steps):
            if after - before > 1:
                yield from _idle(graph, arena, stored, where, index, before, after)
        yield from _stripes(graph, arena, stored, where, index)


def _idle(
    graph: GraphInfo,
    arena: Arena,
    stored: Mapping[str, Stored],
    where: Mapping[str, int],
    index: int,
    before: int,
    after: int,
) -> Iterator[_Change]:
    """Give what frees a buffer while nobody uses it: spilling, and computing its tensor again."""
    buffer = arena.buffers[index]
    size, name = buffer.size_bytes, buffer.tensors[0]
    halves = (Rectangle(size, buffer.first_step, before + 1), Rectangle(size, after, buffer.end_step))
    span = f"after {graph.nodes[before].id} and before {graph.nodes[after].id}"
    words = f"spill {name} ({size} bytes) {span}: {2 * size} bytes more moved a frame"
    yield _Change("spill", name, 2 * size, words, {index: halves})
    writer = graph.producer.get(name)
    if writer is None or len(buffer.tensors) > 1 or writer.subgraphs:
        return
    inputs = [item for item in dict.fromkeys(reads(writer)) if item in stored]
    if all(_is_there(graph, arena, where, item, after) for item in inputs):
        moved = sum(stored[item].size_bytes for item in inputs) + size
        again = f"compute {name} ({size} bytes) again by {writer.op} {writer.id}"
        words = f"{again} {span}: {moved} bytes more moved a frame"
        yield _Change("recompute", name, moved, words, {index: halves})


def _is_there(graph: GraphInfo, arena: Arena, where: Mapping[str, int], name: str, step: int) -> bool:
    """Say whether a tensor still holds its value at a step: an input, or alone in a block that lives on."""
    if name in graph.inputs:
        return True
    if name not in where:
        return False
    buffer = arena.buffers[where[name]]
    return len(buffer.tensors) == 1 and buffer.first_step <= step < buffer.end_step


def _stripes(
    graph: GraphInfo, arena: Arena, stored: Mapping[str, Stored], where: Mapping[str, int], index: int
) -> Iterator[_Change]:
    """Give what keeps a part of a tensor only: its writer and its one reader take turns, stripe by stripe."""
    buffer = arena.buffers[index]
    name = buffer.tensors[0]
    writer, readers = graph.producer.get(name), graph.consumers.get(name, ())
    if writer is None or len(buffer.tensors) > 1 or len(readers) != 1 or name not in stored:
        return
    reader, shape = readers[0], stored[name].shape
    first = buffer.first_step
    neighbours = first + 1 < len(graph.nodes) and graph.nodes[first + 1] is reader
    if len(shape) != 4 or not neighbours or {writer.op, reader.op} - _BY_ROWS:
        return
    row = buffer.size_bytes // max(shape[2], 1)
    halo = max(_rows(reader) - 1, 0)
    for parts in PARTS:
        rows = -(-shape[2] // parts) + halo
        if shape[2] < parts or rows >= shape[2]:
            continue
        pieces: dict[int, tuple[Rectangle, ...]] = {
            index: (Rectangle(max(rows * row, 1), first, buffer.end_step),)
        }
        pieces |= dict(_stretched(arena, where, writer, reader, first, index))
        moved = (parts - 1) * halo * row
        words = (
            f"run {writer.id} and {reader.id} in {parts} stripes of rows, so that {name} takes {rows * row} "
            f"bytes instead of {buffer.size_bytes}: {moved} bytes computed twice a frame"
        )
        yield _Change("split", name, moved, words, pieces)


def _stretched(
    arena: Arena, where: Mapping[str, int], writer: NodeInfo, reader: NodeInfo, step: int, index: int
) -> Iterator[tuple[int, tuple[Rectangle, ...]]]:
    """What the writer reads stays until the reader ends; what the reader writes is there from the start."""
    for name in dict.fromkeys((*reads(writer), *reader.outputs)):
        other = where.get(name)
        if other is not None and other != index:
            buffer = arena.buffers[other]
            first, end = min(buffer.first_step, step), max(buffer.end_step, step + 2)
            yield other, (Rectangle(buffer.size_bytes, first, end),)


def _rows(node: NodeInfo) -> int:
    """Give the rows of its input that one row of a node's result needs."""
    kernel = node.attribute("kernel_shape", (1, 1))
    spread = node.attribute("dilations", (1, 1))
    height = kernel[0] if isinstance(kernel, tuple) and node.op not in ELEMENTWISE else 1
    apart = spread[0] if isinstance(spread, tuple) and spread else 1
    return (int(height) - 1) * int(apart) + 1
