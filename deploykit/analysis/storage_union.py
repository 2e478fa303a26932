"""The union of tensors that lie in one block, while a graph's roots are in the making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from deploykit.analysis.live_ranges import LiveRange
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo, reads


@dataclass
class Group:
    """A root in the making; `pinned` ones take nobody in."""

    members: list[tuple[str, int]]
    size_bytes: int
    boundary: str | None = None
    pinned: bool = False


@dataclass
class Union:
    """Who lies with whom so far, by tensor name.

    `turned` are tensors whose bytes lie in the order of the tensor that they were transposed from.
    """

    graph: GraphInfo
    stored: Mapping[str, Stored]
    ranges: Mapping[str, LiveRange]
    captured: frozenset[str]
    of: dict[str, Group] = field(default_factory=dict)
    turned: set[str] = field(default_factory=set)

    @cached_property
    def readers(self) -> Mapping[str, int]:
        """The steps that read each tensor, also through a subgraph, as the bits of a number."""
        found: dict[str, int] = {}
        for step, node in enumerate(self.graph.nodes):
            for name in reads(node):
                found[name] = found.get(name, 0) | 1 << step
        return found

    def covers(self, name: str) -> bool:
        """Say whether a tensor fills the whole of its block."""
        return self.stored[name].size_bytes == self.of[name].size_bytes

    def may_join(self, source: str, target: str) -> bool:
        """Say whether `target` may get the place of `source`: same bytes, one boundary tensor at most."""
        if not self.are_free(source, target):
            return False
        a, b = self.of[source], self.of[target]
        x, y = self.stored[source], self.stored[target]
        both = a.boundary and b.boundary
        return not both and x.size_bytes == y.size_bytes and (not b.boundary or self.covers(source))

    def may_view(self, source: str, target: str, shift: int, alignment_bytes: int) -> bool:
        """Say whether `target` may be the bytes of `source` from `shift` on."""
        if not self.are_free(source, target) or self.of[target].boundary:
            return False
        start = dict(self.of[source].members)[source] + shift
        inside = shift + self.stored[target].size_bytes <= self.stored[source].size_bytes
        same = self.stored[source].dtype == self.stored[target].dtype
        return inside and same and start % alignment_bytes == 0

    def are_free(self, source: str, target: str) -> bool:
        """Say whether both have blocks, two different ones, that take others in."""
        if source not in self.of or target not in self.of or {source, target} & self.turned:
            return False
        a, b = self.of[source], self.of[target]
        return a is not b and not a.pinned and not b.pinned

    def join(self, target: str, into: str, shift: int) -> None:
        """Put the block of `target` into that of `into`, `shift` bytes after the start of `into`."""
        a, b = self.of[into], self.of[target]
        base = dict(a.members)[into] + shift - dict(b.members)[target]
        a.members.extend((name, base + offset) for name, offset in b.members)
        a.boundary = a.boundary or b.boundary
        for name, _ in b.members:
            self.of[name] = a
