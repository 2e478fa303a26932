"""What is ordered: nodes that write and read values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Value:
    """`size` bytes from the node that writes it (None: from the start) to its last reader's end."""

    size: int
    writer: int | None
    readers: frozenset[int]


@dataclass(frozen=True)
class OrderProblem:
    """Find an order in which each node comes after those in `waits` and that has the lowest peak.

    `waits` and `may_replace` have an entry a node. While a node runs, all values that it reads, all that it
    writes and all that others still need are alive; a value of `may_replace` that nobody reads later gives
    its bytes to the node's result, which has the same size.
    """

    waits: tuple[frozenset[int], ...]
    values: tuple[Value, ...]
    may_replace: tuple[frozenset[int], ...]

    @cached_property
    def written(self) -> tuple[tuple[int, ...], ...]:
        """The values that each node writes."""
        found: list[list[int]] = [[] for _ in self.waits]
        for index, value in enumerate(self.values):
            if value.writer is not None:
                found[value.writer].append(index)
        return tuple(tuple(item) for item in found)

    @cached_property
    def read(self) -> tuple[tuple[int, ...], ...]:
        """The values that each node reads."""
        found: list[list[int]] = [[] for _ in self.waits]
        for index, value in enumerate(self.values):
            for node in value.readers:
                found[node].append(index)
        return tuple(tuple(item) for item in found)

    @cached_property
    def reader_masks(self) -> tuple[int, ...]:
        """The readers of each value as the bits of a number."""
        return tuple(sum(1 << node for node in value.readers) for value in self.values)

    @cached_property
    def wait_masks(self) -> tuple[int, ...]:
        """What each node waits for, as the bits of a number."""
        return tuple(sum(1 << node for node in others) for others in self.waits)

    @cached_property
    def followers(self) -> tuple[tuple[int, ...], ...]:
        """The nodes that wait for each node."""
        found: list[list[int]] = [[] for _ in self.waits]
        for node, others in enumerate(self.waits):
            for other in others:
                found[other].append(node)
        return tuple(tuple(item) for item in found)

    @cached_property
    def start_bytes(self) -> int:
        """What is alive before the first node."""
        return sum(value.size for value in self.values if value.writer is None and value.readers)


@dataclass(frozen=True)
class Running:
    """What is alive while a node runs, and after it."""

    during: int
    after: int


def running(problem: OrderProblem, done: int, alive: int, node: int) -> Running:
    """Give the bytes alive while a node runs after the nodes in `done` (bits), and after it."""
    ended = done | 1 << node
    dying = [index for index in problem.read[node] if not problem.reader_masks[index] & ~ended]
    new = problem.written[node]
    made = sum(problem.values[index].size for index in new)
    replaced = max(
        (problem.values[index].size for index in dying if index in problem.may_replace[node]), default=0
    )
    freed = sum(problem.values[index].size for index in dying)
    unread = sum(problem.values[index].size for index in new if not problem.values[index].readers)
    return Running(alive + made - replaced, alive + made - freed - unread)


def peak(problem: OrderProblem, order: Sequence[int]) -> int:
    """Give the most bytes that an order has alive at one time."""
    done, alive = 0, problem.start_bytes
    most = alive
    for node in order:
        step = running(problem, done, alive, node)
        most, alive, done = max(most, step.during), step.after, done | 1 << node
    return most


def order_faults(problem: OrderProblem, order: Sequence[int]) -> tuple[str, ...]:
    """Name what is wrong with an order; empty where each node stands once, behind those that it waits for."""
    if sorted(order) != list(range(len(problem.waits))):
        return ("not every node stands there once",)
    place = {node: index for index, node in enumerate(order)}
    return tuple(
        f"node {node} stands before {other}, which it waits for"
        for node, others in enumerate(problem.waits)
        for other in sorted(others)
        if place[other] > place[node]
    )


def working_set_bound(problem: OrderProblem) -> int:
    """Give the most bytes that some node needs by itself: no order has less."""
    most = problem.start_bytes
    for node in range(len(problem.waits)):
        sizes = [problem.values[index].size for index in (*problem.read[node], *problem.written[node])]
        replaced = max((problem.values[index].size for index in problem.may_replace[node]), default=0)
        most = max(most, sum(sizes) - replaced)
    return most
