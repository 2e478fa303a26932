"""Results that need no copy: the bytes of another tensor, from an offset on or read in another order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.core.dtypes import bits

ALIASES = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Their output has the bytes of their first input, under another shape."""


def is_alias(node: NodeInfo, stored: Mapping[str, Stored]) -> bool:
    """Say whether a result has its first input's bytes; so has a Transpose that moves sizes of 1 alone."""
    if node.op in ALIASES:
        return True
    if node.op != "Transpose" or node.inputs[0] not in stored:
        return False
    shape = stored[node.inputs[0]].shape
    moved = [axis for axis in permutation(node, len(shape)) if shape[axis] != 1]
    return moved == sorted(moved)


def alias_roots(graph: GraphInfo, stored: Mapping[str, Stored]) -> dict[str, str]:
    """Give for each other name of a tensor's bytes the first one."""
    roots: dict[str, str] = {}
    for node in graph.nodes:
        if node.domain in ("", "ai.onnx") and node.outputs and is_alias(node, stored):
            source, target = node.inputs[0], node.outputs[0]
            if source in stored and stored.get(target, stored[source]).dtype == stored[source].dtype:
                roots[target] = roots.get(source, source)
    return roots


def permutation(node: NodeInfo, rank: int) -> tuple[int, ...]:
    """Give a Transpose's order of axes; without the attribute it turns them round."""
    given = node.attribute("perm", tuple(reversed(range(rank))))
    return tuple(int(axis) for axis in given) if isinstance(given, tuple) else ()


def parts(node: NodeInfo, graph: GraphInfo, stored: Mapping[str, Stored]) -> tuple[tuple[str, int], ...]:
    """Give the results of a Slice or Split that are a run of their input's bytes, each with its first byte.

    The axis is the outermost of those that are longer than 1. A Slice's limits are constants, its step 1;
    sizes that depend on data have no place of their own.
    """
    if node.op not in ("Slice", "Split") or not node.inputs or node.inputs[0] not in stored:
        return ()
    source = stored[node.inputs[0]]
    if any(not _is_static(graph, name) for name in (node.inputs[0], *node.outputs) if name):
        return ()
    found: list[tuple[str, int]] = []
    for name, axis, start in _split(node, stored) if node.op == "Split" else _slice(node, graph, source):
        row = math.prod(source.shape[axis + 1 :])
        total = start * row * bits(source.dtype)
        if all(size == 1 for size in source.shape[:axis]) and total % 8 == 0 and name in stored:
            found.append((name, total // 8))
    return tuple(found)


def _is_static(graph: GraphInfo, name: str) -> bool:
    info = graph.tensor.get(name)
    return info is not None and info.shape is not None and all(isinstance(dim, int) for dim in info.shape)


def _split(node: NodeInfo, stored: Mapping[str, Stored]) -> list[tuple[str, int, int]]:
    rank = len(stored[node.inputs[0]].shape)
    given = node.attribute("axis", 0)
    axis = given % rank if isinstance(given, int) and rank else 0
    found: list[tuple[str, int, int]] = []
    start = 0
    for name in node.outputs:
        if name not in stored:  # what follows it has no known start
            break
        found.append((name, axis, start))
        start += stored[name].shape[axis]
    return found


def _slice(node: NodeInfo, graph: GraphInfo, source: Stored) -> list[tuple[str, int, int]]:
    """Give the one axis that is cut and where the cut starts; nothing for several axes or another step."""
    starts, ends = _whole(node, graph, 1, "starts"), _whole(node, graph, 2, "ends")
    if starts is None or ends is None:
        return []
    axes, steps = _whole(node, graph, 3, "axes"), _whole(node, graph, 4, "steps")
    if (axes is None and _given(node, 3, "axes")) or (steps is None and _given(node, 4, "steps")):
        return []
    rank = len(source.shape)
    cut: list[tuple[str, int, int]] = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = (axes[index] if axes else index) % rank
        size = source.shape[axis]
        first, last = _limit(start, size), _limit(end, size)
        if (steps[index] if steps else 1) != 1 or first >= last:
            return []
        if (first, last) != (0, size):
            cut.append((node.outputs[0], axis, first))
    return cut if len(cut) == 1 else []


def _limit(value: int, size: int) -> int:
    return min(max(value + size if value < 0 else value, 0), size)


def _given(node: NodeInfo, place: int, name: str) -> bool:
    return (len(node.inputs) > place and bool(node.inputs[place])) or name in dict(node.attributes)


def _whole(node: NodeInfo, graph: GraphInfo, place: int, name: str) -> tuple[int, ...] | None:
    """Give an operand that is a constant input, or an attribute as before opset 10."""
    if len(node.inputs) > place and node.inputs[place]:
        info = graph.tensor.get(node.inputs[place])
        values: Sequence[int | float] | None = info.constant if info else None
    else:
        given = dict(node.attributes).get(name)
        values = (
            [item for item in given if isinstance(item, int)] if isinstance(given, tuple) and given else None
        )
    return None if values is None else tuple(int(value) for value in values)
