"""What no pass could work on: names written twice, reads of nothing, cycles. Checked before anything is
changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from onnx import GraphProto, ModelProto, NodeProto

from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.graph.index import GraphIndex, describe, subgraphs

EXPORT_AGAIN = "export the model again"


def check_graph(model: ModelProto, name: str) -> None:
    """Raise InputError with every fault of the graph's structure, each naming its node and tensor."""
    if not model.graph.node and not model.graph.output:
        raise input_error(name, "the graph is empty", EXPORT_AGAIN)
    faults = [*_written_twice(model.graph, ()), *_unknown_reads(model.graph, frozenset(), "")]
    faults += _faulty_interface(model.graph)
    if faults:
        raise InputError(*dict.fromkeys(faults))
    _check_cycles(model.graph)


def nearest(name: str, known: Iterable[str]) -> str:
    """Give "did you mean ..." for a name that is not among `known`, or ""."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def _written_twice(graph: GraphProto, path: tuple[str, ...]) -> list[Fault]:
    inputs = {value.name for value in graph.input}
    writers: dict[str, list[str]] = {}
    for tensor in graph.initializer:
        writers.setdefault(tensor.name, []).append("an initializer")
    for value in graph.input:
        if value.name not in writers:  # an initializer may be listed as an input too: its default
            writers.setdefault(value.name, []).append("a graph input")
    faults = [
        Fault(f"input {name!r}", "the graph lists it twice", EXPORT_AGAIN)
        for name in inputs
        if sum(value.name == name for value in graph.input) > 1
    ]
    for node in graph.node:
        for name in filter(None, node.output):
            writers.setdefault(name, []).append(node.op_type + (f" ({node.name})" if node.name else ""))
        for attribute, inner in subgraphs(node):
            faults += _written_twice(inner, (*path, f"{describe(node)}, {attribute}"))
    inside = f" inside {' inside '.join(reversed(path))}" if path else ""
    for name, sources in writers.items():
        if len(sources) > 1:
            what = f"not SSA: {name} written by {' and '.join(sources)}{inside}"
            faults.append(
                Fault(f"tensor {name!r}", what, "give one of them another name, or export the model again")
            )
    return faults


def _unknown_reads(graph: GraphProto, outer: frozenset[str], inside: str) -> list[Fault]:
    index = GraphIndex(graph)
    known = outer | set(index.producer) | index.weights | {value.name for value in graph.input}
    faults = []
    for node in graph.node:
        for name in filter(None, node.input):
            if name not in known:
                what = f"it reads {name!r}, which nothing writes{inside}"
                faults.append(Fault(f"node {describe(node)}", what, nearest(name, known) or EXPORT_AGAIN))
        for attribute, inner in subgraphs(node):
            faults += _unknown_reads(inner, known, f" ({attribute} of {describe(node)})")
    for value in graph.output:
        if value.name not in known:
            what = f"nothing writes it{inside}"
            faults.append(Fault(f"output {value.name!r}", what, nearest(value.name, known) or EXPORT_AGAIN))
    return faults


def _faulty_interface(graph: GraphProto) -> list[Fault]:
    faults = [
        Fault(f"node {node.op_type!r} at position {at}", "it has no operator type", EXPORT_AGAIN)
        for at, node in enumerate(graph.node)
        if not node.op_type
    ]
    names = [value.name for value in graph.output]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        fix = "give the second one a name of its own with an Identity node"
        faults.append(Fault(f"output {name!r}", f"the graph lists it {names.count(name)} times", fix))
    return faults


def _check_cycles(graph: GraphProto) -> None:
    index = GraphIndex(graph)
    state = [0] * len(graph.node)  # 0: new, 1: on the current path, 2: done
    for start in range(len(graph.node)):
        stack = [(start, iter(index.before[start]))] if state[start] == 0 else []
        state[start] = state[start] or 1
        while stack:
            at, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[at] = 2
                stack.pop()
            elif state[following] == 1:
                raise _cycle([graph.node[seen] for seen, _ in stack], graph.node[following])
            elif state[following] == 0:
                state[following] = 1
                stack.append((following, iter(index.before[following])))
    for node in graph.node:
        for _, inner in subgraphs(node):
            _check_cycles(inner)


def _cycle(path: list[NodeProto], first: NodeProto) -> InputError:
    at = next(position for position, node in enumerate(path) if node is first or node == first)
    around = " <- ".join(describe(node) for node in [*path[at:], first])
    return input_error(
        f"node {describe(first)}", f"it depends on itself: {around}", "remove one of these reads"
    )
