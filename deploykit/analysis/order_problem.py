"""A graph as a problem of order: its values with their bytes, and what each node waits for."""

from __future__ import annotations

from collections.abc import Mapping

from deploykit.analysis.body_scratch import SUFFIX
from deploykit.analysis.live_ranges import captured_tensors
from deploykit.analysis.node_order import predecessors, steps_of
from deploykit.analysis.storage_roots import works_in_place
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import alias_roots
from deploykit.artifacts.graph import GraphInfo, NodeInfo, reads
from deploykit.solve.order.problem import OrderProblem, Value


def order_problem(
    graph: GraphInfo,
    stored: Mapping[str, Stored],
    *,
    pinned: frozenset[str],
    in_place: bool,
    overwrite: Mapping[str, str],
    alignment_bytes: int,
) -> OrderProblem:
    """Give the nodes of a graph, by index, with the values that lie in its arena.

    Names of the same bytes are one value. The graph's inputs and outputs and what is in `pinned` lie
    elsewhere and have no bytes here. A result of `overwrite` waits for all others that read its input. Parts
    of tensors (Slice, Split, Concat) count as copies.
    """
    roots = alias_roots(graph, stored)
    outside = {roots.get(name, name) for name in (*graph.inputs, *graph.outputs, *pinned)}
    writer: dict[str, int] = {}
    readers: dict[str, set[int]] = {}
    for step, node in enumerate(graph.nodes):
        for name in reads(node):
            readers.setdefault(roots.get(name, name), set()).add(step)
        for name in filter(None, node.outputs):
            writer.setdefault(roots.get(name, name), step)
    inside = [name for name in writer if name in stored and name not in outside]

    def rounded(name: str) -> int:
        return max(-(-stored[name].size_bytes // alignment_bytes), 1) * alignment_bytes

    values = [Value(rounded(name), writer[name], frozenset(readers.get(name, ()))) for name in inside]
    values += [
        Value(rounded(node.id + SUFFIX), step, frozenset())
        for step, node in enumerate(graph.nodes)
        if node.id + SUFFIX in stored
    ]
    place = {name: index for index, name in enumerate(inside)}
    captured = {roots.get(name, name) for name in captured_tensors(graph)}
    may_replace = tuple(
        frozenset(
            place[roots.get(name, name)]
            for name in node.inputs
            if in_place and _may_replace(node, name, stored)
            if roots.get(name, name) in place and roots.get(name, name) not in captured
        )
        for node in graph.nodes
    )
    return OrderProblem(_waits(graph, readers, roots, overwrite), tuple(values), may_replace)


def _may_replace(node: NodeInfo, source: str, stored: Mapping[str, Stored]) -> bool:
    outputs = [name for name in node.outputs if name]
    if len(outputs) != 1 or source not in stored or outputs[0] not in stored:
        return False
    a, b = stored[source], stored[outputs[0]]
    return works_in_place(node, source) and a.shape == b.shape and a.size_bytes == b.size_bytes


def _waits(
    graph: GraphInfo, readers: Mapping[str, set[int]], roots: Mapping[str, str], overwrite: Mapping[str, str]
) -> tuple[frozenset[int], ...]:
    waits = [set(steps_of(mask)) for mask in predecessors(graph)]
    for step, node in enumerate(graph.nodes):
        for name in node.outputs:
            if name in overwrite:
                source = roots.get(overwrite[name], overwrite[name])
                waits[step] |= readers.get(source, set()) - {step}
    return tuple(frozenset(item) for item in waits)
