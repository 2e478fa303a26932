"""Which tensors of a graph share memory: aliases, in-place results, views into a Concat's output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploykit.analysis.live_ranges import LiveRange, captured_tensors, live_ranges
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo, NodeInfo

ALIASES = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Their output has the bytes of their first input, under another shape."""

_ONE_OPERAND = """
    Abs BatchNormalization Cast Ceil Celu Clip Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log
    Mish Neg Not PRelu Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Swish Tanh
    ThresholdedRelu
"""
IN_PLACE_FIRST = frozenset(_ONE_OPERAND.split())
"""Each element of their output needs the same element of their first input, and no other of it."""

_ANY_OPERAND = "Add And Div Max Mean Min Mod Mul Or Pow Sub Sum Where Xor"
IN_PLACE_ANY = frozenset(_ANY_OPERAND.split())
"""As above, for any input that has the output's own shape (so that it isn't broadcast)."""


@dataclass(frozen=True)
class SharingRules:
    """Which tensors may share memory. Views start at multiples of `alignment_bytes` inside their block."""

    in_place: bool = True
    concat_views: bool = True
    alignment_bytes: int = 1


@dataclass(frozen=True)
class StorageRoot:
    """One block of memory and the tensors in it, each at its offset inside.

    `boundary` is the one input or output of the graph among them. `size_bytes` isn't rounded.
    """

    tensors: tuple[str, ...]
    offsets_bytes: tuple[int, ...]
    size_bytes: int
    live: LiveRange
    boundary: str | None


@dataclass
class _Class:
    """A root in the making; `pinned` ones take nobody in."""

    members: list[tuple[str, int]]
    size_bytes: int
    boundary: str | None = None
    pinned: bool = False


@dataclass
class _Union:
    """Who lies with whom so far, by tensor name."""

    graph: GraphInfo
    stored: Mapping[str, Stored]
    ranges: Mapping[str, LiveRange]
    captured: frozenset[str]
    of: dict[str, _Class] = field(default_factory=dict)

    def covers(self, name: str) -> bool:
        """Say whether a tensor fills the whole of its block."""
        return self.stored[name].size_bytes == self.of[name].size_bytes

    def may_join(self, source: str, target: str) -> bool:
        """Say whether `target` may get the place of `source`: same bytes, one boundary tensor at most."""
        if source not in self.of or target not in self.of or source == target:
            return False
        a, b = self.of[source], self.of[target]
        if a is b or a.pinned or b.pinned or (a.boundary and b.boundary):
            return False
        x, y = self.stored[source], self.stored[target]
        return x.size_bytes == y.size_bytes and (not b.boundary or self.covers(source))

    def join(self, target: str, into: str, shift: int) -> None:
        """Put the block of `target` into that of `into`, `shift` bytes after the start of `into`."""
        a, b = self.of[into], self.of[target]
        base = dict(a.members)[into] + shift - dict(b.members)[target]
        a.members.extend((name, base + offset) for name, offset in b.members)
        a.boundary = a.boundary or b.boundary
        for name, _ in b.members:
            self.of[name] = a


def storage_roots(
    graph: GraphInfo, stored: Mapping[str, Stored], *, pinned: frozenset[str], rules: SharingRules
) -> tuple[StorageRoot, ...]:
    """Group the tensors that share memory, and say how long each group lives.

    Tensors in `pinned` (state) share with none. Tensors without an entry in `stored` are left out. Graph
    inputs, tensors that a subgraph reads, and whatever is still read later are never overwritten in place;
    two inputs or outputs of the graph never share a block.
    """
    union = _start(graph, stored, pinned)
    for step, node in enumerate(graph.nodes):
        if node.domain not in ("", "ai.onnx") or not node.outputs:
            continue
        if node.op in ALIASES:
            _alias(union, node)
        elif node.op == "Concat" and rules.concat_views:
            _view_concat(union, node, rules.alignment_bytes)
        elif rules.in_place:
            _reuse_input(union, node, step)
    classes = list({id(group): group for group in union.of.values()}.values())
    return tuple(_root(union, group) for group in classes)


def _start(graph: GraphInfo, stored: Mapping[str, Stored], pinned: frozenset[str]) -> _Union:
    ranges = live_ranges(graph)
    boundary = {*graph.inputs, *graph.outputs}
    union = _Union(graph, stored, ranges, captured_tensors(graph))
    for name in ranges:
        if name in stored:
            union.of[name] = _Class(
                [(name, 0)], stored[name].size_bytes, name if name in boundary else None, name in pinned
            )
    return union


def _alias(union: _Union, node: NodeInfo) -> None:
    source, target = node.inputs[0], node.outputs[0]
    if union.may_join(source, target) and union.stored[source].dtype == union.stored[target].dtype:
        union.join(target, source, 0)


def _reuse_input(union: _Union, node: NodeInfo, step: int) -> None:
    """Let the result take the place of an input of its own shape whose block nobody reads after this node."""
    if node.op not in IN_PLACE_FIRST | IN_PLACE_ANY or len([name for name in node.outputs if name]) != 1:
        return
    target = node.outputs[0]
    for source in node.inputs if node.op in IN_PLACE_ANY else node.inputs[:1]:
        if union.may_join(source, target) and _dies_here(union, source, target, step):
            union.join(target, source, 0)
            return


def _dies_here(union: _Union, source: str, target: str, step: int) -> bool:
    group = union.of[source]
    if group.boundary or union.stored[source].shape != union.stored[target].shape:
        return False
    if any(name in union.captured for name, _ in group.members):
        return False
    others_end = max((union.ranges[name].end for name, _ in group.members if name != source), default=0)
    return union.ranges[source].end == step + 1 and others_end <= step


def _view_concat(union: _Union, node: NodeInfo, alignment_bytes: int) -> None:
    """Let every input be written straight into its part of the output, where the parts lie in a row."""
    target, names = node.outputs[0], node.inputs
    if target not in union.of or union.of[target].pinned or not _is_outermost(node, union.stored[target]):
        return
    groups = [union.of[name] for name in names if name in union.of]
    if len(groups) != len(names) or len({id(group) for group in groups}) != len(names):
        return
    dtype = union.stored[target].dtype
    free = all(not (group.boundary or group.pinned) for group in groups)
    if not free or any(union.stored[name].dtype != dtype or not union.covers(name) for name in names):
        return
    offsets, end = [], 0
    for name in names:
        offsets.append(end)
        end += union.stored[name].size_bytes
    if end != union.stored[target].size_bytes or any(offset % alignment_bytes for offset in offsets):
        return
    for name, offset in zip(names, offsets, strict=True):
        union.join(name, target, offset)


def _is_outermost(node: NodeInfo, output: Stored) -> bool:
    axis = node.attribute("axis", 0)
    assert isinstance(axis, int)
    return all(dim == 1 for dim in output.shape[: axis % max(len(output.shape), 1)])


def _root(union: _Union, group: _Class) -> StorageRoot:
    members = sorted(group.members, key=lambda item: (union.ranges[item[0]].first, item[1], item[0]))
    live = union.ranges[members[0][0]]
    for name, _ in members[1:]:
        live = live.join(union.ranges[name])
    names, offsets = zip(*members, strict=True)
    return StorageRoot(names, offsets, group.size_bytes, live, group.boundary)
