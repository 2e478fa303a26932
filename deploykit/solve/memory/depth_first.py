"""One depth-first search for a packing that fits, from the bottom up; each packing is met in one order only.

A packing can be pushed down until every item stands on the ground or on another, and then built by rising
(offset, rank). So a node places one more item at the lowest offset that is left to it, never before the last
one in this order; an item whose turn is over is *blocked* until something lifts it. A node is cut where

- an item would start above a place in which another fits whole (that packing is found elsewhere),
- a section cannot hold what is still to come: its items, stacked by their lowest offsets, end above the room
  (one machine with release times); a blocked item counts from the lowest top that can lift it,
- the same items were left with the same lowest offsets before, and in vain (whole states are compared: a
  packing is never ruled out by a hash).

What is left falls apart into components that share no time: each is searched alone, and if one cannot be
packed the node that made it is at fault. After Moffitt, "MiniMalloc" (ASPLOS 2023), whose cuts are the
first, a weaker form of the second, and the components.

`_core.c` does the same steps, node for node; it is used where it was built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deploykit.solve.memory.compiled import Ints, call, core, ints
from deploykit.solve.memory.sections import Sections

STATUS: tuple[Literal["none", "found", "limit"], ...] = ("none", "found", "limit")
STATES = 1 << 17
"""How many dead states are remembered at most, for one order."""

WORDS = 1 << 21
"""How many numbers they may take: 16 MB."""


@dataclass
class DeadStates:
    """States that cannot be completed, for one order and one capacity; kept from search to search.

    A state lists who is left, then their lowest offsets (-1: blocked), then the lowest top of the blocked.
    """

    states: set[bytes] = field(default_factory=set)
    words: int = 0
    known: Ints = field(default_factory=lambda: ints([0, 0]))
    table: Ints | None = None
    store: Ints | None = None

    def add(self, state: bytes) -> None:
        """Remember a state, if there is room."""
        words = len(state) // 8 + 1  # its length counts, too
        if state not in self.states and len(self.states) < STATES and self.words + words <= WORDS:
            self.states.add(state)
            self.words += words


def depth_first(
    sections: Sections, room: int, *, node_limit: int, dead: DeadStates
) -> tuple[Literal["none", "found", "limit"], Ints, int]:
    """Look for offsets (by rank, in units) with no top above `room`; say how it ended, and the nodes."""
    library = core()
    if library is None:
        return _Search(sections, room, dead).run(node_limit)
    if dead.table is None or dead.store is None:
        dead.table, dead.store = np.zeros(2 * STATES, dtype=np.int64), np.empty(WORDS, dtype=np.int64)
    offsets, nodes = np.zeros(len(sections.indices), dtype=np.int64), ints([0])
    status = call(
        library.search, len(sections.indices), sections.count, sections.first, sections.last, sections.sizes,
        sections.twin, sections.by_first, room, node_limit, dead.table, len(dead.table) - 1, dead.store,
        len(dead.store), dead.known, offsets, nodes,
    )  # fmt: skip
    return STATUS[status], offsets, int(nodes[0])


@dataclass
class _Component:
    """Items that are left and hang together in time, and what was placed last before them."""

    items: Ints
    offset: int
    rank: int
    owner: int
    pending: _Component | None


@dataclass
class _Node:
    """A component whose next item is to be chosen; `lowest` are all items' lowest offsets here.

    `state` is what to remember if it is dead; empty where it was cut at once, and is as quickly cut again.
    """

    component: _Component
    lowest: Ints
    placed: NDArray[np.bool_]
    choices: list[int] | None = None
    state: bytes = b""


class _Search:
    def __init__(self, sections: Sections, room: int, dead: DeadStates) -> None:
        self.sections, self.room, self.dead = sections, room, dead
        self.size, self.first, self.last = sections.sizes, sections.first, sections.last
        span = np.arange(sections.count)
        member = (self.first[:, None] <= span) & (span <= self.last[:, None])
        small = room + int(self.size.sum()) < 1 << 30  # half as many bytes to go through
        self.bytes: NDArray[Any] = np.where(member, self.size[:, None], 0).astype(
            np.int32 if small else np.int64
        )
        self.meets = (self.first[:, None] <= self.last) & (self.first <= self.last[:, None])

    def run(self, node_limit: int) -> tuple[Literal["none", "found", "limit"], Ints, int]:
        count, nodes = len(self.size), 0
        offsets = np.zeros(count, dtype=np.int64)
        root = _Component(self.sections.by_first, 0, -1, -1, None)
        stack = [_Node(root, np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_))]
        while True:
            node = stack[-1]
            if node.choices is None:
                if nodes >= node_limit:
                    return "limit", offsets, nodes
                nodes += 1
                node.choices = self._open(node)
            if not node.choices:
                if node.state:
                    self.dead.add(node.state)
                if node.component.owner < 0:
                    return "none", offsets, nodes
                del stack[node.component.owner + 1 :]
                continue
            item = node.choices.pop()
            offsets[item] = node.lowest[item]
            following = self._place(node, item, len(stack) - 1)
            if following is None:
                return "found", offsets, nodes
            stack.append(following)

    def _open(self, node: _Node) -> list[int]:
        """Give whom to place next, the best one last; none where this cannot be completed."""
        items, last = node.component.items, node.component
        lowest, size = node.lowest[items], self.size[items]
        tops = lowest + size
        blocked = (lowest < last.offset) | ((lowest == last.offset) & (items <= last.rank))
        state = _state(items, lowest, blocked, tops)
        if state in self.dead.states:
            return []
        effective = np.maximum(lowest, last.offset)
        if blocked.any() and not self._lift(items, blocked, effective, size):
            return []
        if self._overfull(items, effective):
            return []
        twin = self.sections.twin[items]
        usable = ~blocked & (lowest < tops.min()) & ((twin < 0) | node.placed[twin])
        found = items[usable]
        node.state = state if len(found) else b""
        return [int(found[i]) for i in np.lexsort((-found, -lowest[usable]))]

    def _lift(self, items: Ints, blocked: NDArray[np.bool_], effective: Ints, size: Ints) -> bool:
        """Raise the blocked to the lowest top that can lift them, in place; say whether there are such."""
        rows = np.flatnonzero(blocked)
        lifts = self.meets[items[rows][:, None], items[None, :]]
        lifts[np.arange(len(rows)), rows] = False
        never = np.iinfo(np.int64).max
        lifted = np.where(lifts, effective + size, never).min(axis=1)
        effective[rows] = lifted
        return bool(lifted.max() < never)

    def _overfull(self, items: Ints, effective: Ints) -> bool:
        by_offset = np.argsort(-effective, kind="stable")
        part = slice(int(self.first[items].min()), int(self.last[items].max()) + 1)
        size = self.bytes[:, part].take(items[by_offset], axis=0)
        above = np.cumsum(size, axis=0, dtype=size.dtype)  # each with all that start no lower
        above += effective[by_offset].astype(size.dtype)[:, None]
        return bool(above.max(where=size > 0, initial=0) > self.room)

    def _place(self, node: _Node, item: int, depth: int) -> _Node | None:
        """Give the node after placing an item; None where nothing is left."""
        offset = int(node.lowest[item])
        lowest = np.maximum(node.lowest, self.meets[item] * (offset + self.size[item]))
        placed = node.placed.copy()
        placed[item] = True
        items = node.component.items
        items = items[items != item]
        pending = node.component.pending
        if len(items):
            reach = np.maximum.accumulate(self.last[items])
            cuts = np.flatnonzero(self.first[items[1:]] > reach[:-1]) + 1
            for part in np.split(items, cuts):
                pending = _Component(part, offset, item, depth, pending)
        return None if pending is None else _Node(pending, lowest, placed)


def _state(items: Ints, lowest: Ints, blocked: NDArray[np.bool_], tops: Ints) -> bytes:
    """Write down what decides the future: who is left, who is blocked, the lowest offsets of the others."""
    of_blocked = tops[blocked].min() if blocked.any() else np.iinfo(np.int64).max
    return np.concatenate((items, np.where(blocked, -1, lowest), [of_blocked])).tobytes()
