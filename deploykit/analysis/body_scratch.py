"""How much memory a node's bodies need while it runs: the tensors inside an If, Loop or Scan."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.analysis.live_ranges import live_ranges
from deploykit.analysis.stored import stored_form
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.solve.memory.checked import checked_pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle

SUFFIX = "::bodies"
"""What follows a node's id in the name of its scratch block."""


@dataclass(frozen=True)
class Scratch:
    """Bytes for the bodies of one node, and the tensors in them that have no known size."""

    size_bytes: int
    unsized: tuple[str, ...]


def body_scratch(node: NodeInfo, alignment_bytes: int) -> Scratch:
    """Plan a node's bodies, each as a graph of its own in its own types, and give the largest.

    Inside, nothing is written in place and nothing is a view, so that any engine's own plan fits. What a body
    gives to its next turn lies beside what it read in this one.
    """
    plans = [_graph(graph, alignment_bytes) for _, graph in node.subgraphs]
    return Scratch(
        max((plan.size_bytes for plan in plans), default=0),
        tuple(dict.fromkeys(name for plan in plans for name in plan.unsized)),
    )


def _graph(graph: GraphInfo, alignment_bytes: int) -> Scratch:
    count = max(len(graph.nodes), 1)
    unsized: list[str] = []
    rectangles = []
    for name, live in live_ranges(graph).items():
        info = graph.tensor.get(name)
        form = stored_form(info, info.dtype) if info else None
        end = count if name in graph.inputs else live.end  # the next turn's values are written beside them
        if form is None:
            unsized.append(name)
        elif form.size_bytes:
            rectangles.append(Rectangle(form.size_bytes, live.first, end))
    for step, node in enumerate(graph.nodes):
        inner = body_scratch(node, alignment_bytes)
        unsized += inner.unsized
        if inner.size_bytes:
            rectangles.append(Rectangle(inner.size_bytes, step, step + 1))
    packed = checked_pack(PackingProblem(tuple(rectangles), alignment_bytes), node_limit=0)
    return Scratch(packed.bound.objective, tuple(unsized))
