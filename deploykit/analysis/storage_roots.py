"""Which tensors of a graph share memory: aliases, in-place results, views into a Concat's output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploykit.analysis.live_ranges import LiveRange, captured_tensors, live_ranges
from deploykit.analysis.node_order import ancestors
from deploykit.analysis.storage_union import Group, Union
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import ALIASES, alias_roots, is_alias, parts
from deploykit.artifacts.graph import GraphInfo, NodeInfo

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

ELEMENTWISE = IN_PLACE_FIRST | IN_PLACE_ANY


VIEWS = frozenset({"Concat", "Slice", "Split", "Transpose"})
"""Their results may lie in other tensors' bytes, or the other way round."""


def works_in_place(node: NodeInfo, source: str) -> bool:
    """Say whether a node may write its result exactly over this input: element by element."""
    if node.domain not in ("", "ai.onnx"):
        return False
    return node.op in IN_PLACE_ANY or (node.op in IN_PLACE_FIRST | ALIASES and node.inputs[0] == source)


@dataclass(frozen=True)
class SharingRules:
    """Which tensors may share memory. Views start at multiples of `alignment_bytes` inside their block.

    `free_views` are operators whose result the chip reads where its input lies, in another order (Transpose).
    `overwrite` says which results the user wants written over which inputs. `parallel`: nodes that don't wait
    for each other may run at once.
    """

    in_place: bool = True
    concat_views: bool = True
    slice_views: bool = True
    alignment_bytes: int = 1
    free_views: frozenset[str] = frozenset()
    overwrite: Mapping[str, str] = field(default_factory=dict)
    parallel: bool = False


@dataclass(frozen=True)
class StorageRoot:
    """One block of memory and the tensors in it, each at its offset inside.

    `boundary` is the one input or output of the graph among them. `size_bytes` isn't rounded. The bytes of
    those in `turned` lie in the order of the tensor that they were transposed from.
    """

    tensors: tuple[str, ...]
    offsets_bytes: tuple[int, ...]
    size_bytes: int
    live: LiveRange
    boundary: str | None
    turned: tuple[str, ...] = ()


def storage_roots(
    graph: GraphInfo, stored: Mapping[str, Stored], *, pinned: frozenset[str], rules: SharingRules
) -> tuple[StorageRoot, ...]:
    """Group the tensors that share memory, and say how long each group lives.

    Tensors in `pinned` (state) share with none. Tensors without an entry in `stored` are left out. Graph
    inputs, tensors that a subgraph reads, and whatever is still read later are never overwritten in place;
    two inputs or outputs of the graph never share a block. What a result of `overwrite` is written over is no
    view and has none: the other tensor's bytes would go with it.
    """
    union = _start(graph, stored, pinned, rules.parallel)
    before = ancestors(graph) if rules.parallel else None
    alone = _overwritten(graph, stored, rules)
    for step, node in enumerate(graph.nodes):
        if node.outputs and node.outputs[0] in rules.overwrite:
            _claimed(union, node.outputs[0], rules.overwrite[node.outputs[0]])
            continue
        if node.domain not in ("", "ai.onnx") or not node.outputs:
            continue
        if is_alias(node, stored):
            _alias(union, node)
        elif node.op in VIEWS and alone.intersection((*node.inputs, *node.outputs)):
            continue
        elif node.op in ("Slice", "Split") and rules.slice_views:
            _view_parts(union, node, rules.alignment_bytes)
        elif node.op == "Transpose" and node.op in rules.free_views:
            _turn(union, node)
        elif node.op == "Concat" and rules.concat_views:
            _view_concat(union, node, rules.alignment_bytes)
        elif rules.in_place:
            _reuse_input(union, node, step, None if before is None else before[step])
    classes = list({id(group): group for group in union.of.values()}.values())
    return tuple(_root(union, group) for group in classes)


def _overwritten(graph: GraphInfo, stored: Mapping[str, Stored], rules: SharingRules) -> frozenset[str]:
    """Give the tensors that others are written over on demand, under all their names."""
    roots = alias_roots(graph, stored) if rules.overwrite else {}
    sources = {roots.get(name, name) for name in rules.overwrite.values()}
    return frozenset(name for name in stored if roots.get(name, name) in sources)


def _start(graph: GraphInfo, stored: Mapping[str, Stored], pinned: frozenset[str], parallel: bool) -> Union:
    ranges = live_ranges(graph, parallel=parallel)
    boundary = {*graph.inputs, *graph.outputs}
    union = Union(graph, stored, ranges, captured_tensors(graph))
    for name in ranges:
        if name in stored:
            union.of[name] = Group(
                [(name, 0)], stored[name].size_bytes, name if name in boundary else None, name in pinned
            )
    return union


def _alias(union: Union, node: NodeInfo) -> None:
    source, target = node.inputs[0], node.outputs[0]
    if union.may_join(source, target) and union.stored[source].dtype == union.stored[target].dtype:
        union.join(target, source, 0)


def _claimed(union: Union, target: str, source: str) -> None:
    """Let a result take the place of the input that the user names; `check_claims` has checked it."""
    if union.are_free(source, target) and not (union.of[source].boundary and union.of[target].boundary):
        union.join(target, source, 0)


def _view_parts(union: Union, node: NodeInfo, alignment_bytes: int) -> None:
    """Let each part be read where it lies in the whole."""
    source = node.inputs[0]
    for target, shift in parts(node, union.graph, union.stored):
        if union.may_view(source, target, shift, alignment_bytes):
            union.join(target, source, shift)


def _turn(union: Union, node: NodeInfo) -> None:
    """Let a transposed tensor be read where its source lies; it takes nobody else in."""
    source, target = node.inputs[0], node.outputs[0]
    same = source in union.of and target in union.of and not union.of[target].boundary
    if same and union.may_join(source, target) and union.stored[source].dtype == union.stored[target].dtype:
        union.join(target, source, 0)
        union.turned.add(target)


def _reuse_input(union: Union, node: NodeInfo, step: int, before: int | None) -> None:
    """Let the result take the place of an input of its own shape whose block nobody reads after this node."""
    if node.op not in ELEMENTWISE or len([name for name in node.outputs if name]) != 1:
        return
    target = node.outputs[0]
    for source in node.inputs if node.op in IN_PLACE_ANY else node.inputs[:1]:
        if union.may_join(source, target) and _dies_here(union, source, target, step, before):
            union.join(target, source, 0)
            return


def _dies_here(union: Union, source: str, target: str, step: int, before: int | None) -> bool:
    """Say whether nobody needs the source's block after a step; `before` are the steps that it waits for."""
    group = union.of[source]
    if group.boundary or union.stored[source].shape != union.stored[target].shape:
        return False
    if any(name in union.captured for name, _ in group.members):
        return False
    if before is not None:
        others = before | 1 << step
        return all(not union.readers.get(name, 0) & ~others for name, _ in group.members) and not any(
            union.readers.get(name, 0) >> step & 1 for name, _ in group.members if name != source
        )
    others_end = max((union.ranges[name].end for name, _ in group.members if name != source), default=0)
    return union.ranges[source].end == step + 1 and others_end <= step


def _view_concat(union: Union, node: NodeInfo, alignment_bytes: int) -> None:
    """Let every input be written straight into its part of the output, where the parts lie in a row."""
    target, names = node.outputs[0], node.inputs
    if target not in union.of or union.of[target].pinned or not _is_outermost(node, union.stored[target]):
        return
    groups = [union.of[name] for name in names if name in union.of]
    if len(groups) != len(names) or len({id(group) for group in groups}) != len(names):
        return
    dtype = union.stored[target].dtype
    free = all(not (group.boundary or group.pinned) for group in groups)
    if not free or any(
        union.stored[name].dtype != dtype or not union.covers(name) or name in union.turned for name in names
    ):
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


def _root(union: Union, group: Group) -> StorageRoot:
    members = sorted(group.members, key=lambda item: (union.ranges[item[0]].first, item[1], item[0]))
    live = union.ranges[members[0][0]]
    for name, _ in members[1:]:
        live = live.join(union.ranges[name])
    names, offsets = zip(*members, strict=True)
    turned = tuple(name for name in names if name in union.turned)
    return StorageRoot(names, offsets, group.size_bytes, live, group.boundary, turned)
