"""The cut that the user asks for: at tensors, or by groups of nodes. Every node gets the number of its part.

A numbering is a valid cut when no node stands in an earlier part than something that it reads.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from onnx import GraphProto

from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.check import nearest
from deploykit.core.graph.index import GraphIndex, defined, describe, node_id, subgraphs


def cut_at(index: GraphIndex, cuts: Sequence[str | tuple[str, ...]]) -> list[int]:
    """Number the nodes by cuts at tensors. Raises InputError for names that cannot be cut at.

    The cuts are taken in the order of the graph, whatever the order in which they are given.
    """
    sets = [(cut,) if isinstance(cut, str) else tuple(cut) for cut in cuts]
    faults = [fault for names in sets for name in names if (fault := _cut_fault(index, name))]
    if faults:
        raise InputError(*dict.fromkeys(faults))
    sets.sort(key=lambda names: max(index.producer[name] for name in names))
    parts = [len(sets)] * len(index.graph.node)
    done: set[int] = set()
    for number, names in enumerate(sets):
        fresh = index.ancestors(index.producer[name] for name in names) - done
        for at in fresh:
            parts[at] = number
        done |= fresh
    return parts


def _cut_fault(index: GraphIndex, name: str) -> Fault | None:
    if name in index.producer:
        return None
    where = f"split at {name!r}"
    if name in index.weights:
        return Fault(where, "this is a weight; there is nothing before it to cut off", "cut at an activation")
    if any(value.name == name for value in index.graph.input):
        return Fault(
            where, "this is an input; there is nothing before it to cut off", "cut at a later tensor"
        )
    inside = _inside(index.graph, name, "")
    if inside:
        return Fault(
            where,
            f"this tensor lives inside {inside}; a subgraph runs as a whole",
            "cut before or after that node",
        )
    fix = "the export may have merged it with its neighbours: choose another, or set `export.simplify: false`"
    return Fault(where, "the network has no such tensor", nearest(name, index.producer) or fix)


def _inside(graph: GraphProto, name: str, path: str) -> str:
    """Say in which node and branch a tensor of a subgraph lives."""
    for node in graph.node:
        for attribute, inner in subgraphs(node):
            place = f"{attribute} of {describe(node)}{path}"
            if name in defined(inner):
                return place
            found = _inside(inner, name, f", in {place}")
            if found:
                return found
    return ""


def cut_by_groups(
    index: GraphIndex, groups: Mapping[str, Sequence[str]]
) -> tuple[list[int], tuple[str, ...]]:
    """Number the nodes by groups of name patterns; gives the numbers, and the groups in the order of
    execution.

    Raises InputError for patterns that match nothing, nodes that two groups claim, and groups that need each
    other.
    """
    names = tuple(groups)
    claimed = _claims(index, groups)
    order = _group_order(index, claimed, names)
    rank = {group: at for at, group in enumerate(order)}
    parts = [-1 if group is None else rank[names[group]] for group in claimed]
    for at, before in enumerate(index.before):
        if claimed[at] is None:
            parts[at] = max((parts[other] for other in before), default=-1)
    for at in reversed(range(len(parts))):
        if parts[at] == -1:
            after = [
                parts[reader]
                for name in index.graph.node[at].output
                for reader in index.consumers.get(name, ())
            ]
            parts[at] = min((part for part in after if part >= 0), default=0)
    return parts, tuple(order)


def _claims(index: GraphIndex, groups: Mapping[str, Sequence[str]]) -> list[int | None]:
    nodes = index.graph.node
    claimed: list[int | None] = [None] * len(nodes)
    faults = []
    names = [name for node in nodes for name in (node.name, node_id(node)) if name]
    for number, (group, patterns) in enumerate(groups.items()):
        for pattern in patterns:
            matches = [at for at, node in enumerate(nodes) if _matches(pattern, node.name, node_id(node))]
            if not matches:
                close = nearest(pattern.strip("*"), names)
                faults.append(Fault(f"group {group!r}", f"no node matches {pattern!r}", close))
            for at in matches:
                other = claimed[at]
                if other is not None and other != number:
                    owner = list(groups)[other]
                    what = f"{describe(nodes[at])} matches {pattern!r}, but belongs to {owner!r} already"
                    faults.append(Fault(f"group {group!r}", what, "make one of the patterns narrower"))
                else:
                    claimed[at] = number
    if faults:
        raise InputError(*faults)
    return claimed


def _matches(pattern: str, *names: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _group_order(index: GraphIndex, claimed: Sequence[int | None], names: Sequence[str]) -> list[str]:
    """Sort the groups by what they need; the given order decides where that leaves a choice."""
    needs: dict[int, dict[int, tuple[int, int]]] = {number: {} for number in range(len(names))}
    below: list[dict[int, int]] = []  # by node: each group that it depends on, with the node through which
    for at, before in enumerate(index.before):
        seen: dict[int, int] = {}
        for other in before:
            seen.update(below[other])
        own = claimed[at]
        if own is not None:
            for group, through in seen.items():
                if group != own:
                    needs[own].setdefault(group, (through, at))
            seen[own] = at
        below.append(seen)
    order: list[int] = []
    while len(order) < len(names):
        free = [number for number in needs if number not in order and set(needs[number]) <= set(order)]
        if not free:
            raise _group_cycle(index, needs, set(needs) - set(order), names)
        order.append(free[0])
    return [names[number] for number in order]


def _group_cycle(
    index: GraphIndex,
    needs: Mapping[int, Mapping[int, tuple[int, int]]],
    left: set[int],
    names: Sequence[str],
) -> InputError:
    """Name the nodes by which groups need each other."""
    faults = []
    for group in sorted(left):
        for other, (through, at) in needs[group].items():
            if other in left:
                reader, read = index.graph.node[at], index.graph.node[through]
                what = f"{describe(reader)} needs {describe(read)} of {names[other]!r}"
                fix = "groups may not need each other: move one of these nodes to the other, or make a third"
                faults.append(Fault(f"group {names[group]!r}", what, fix))
    return InputError(*faults)
