"""Write an operator in others, for compilers that lack it: a rule a file, listed in `REWRITES`."""

from __future__ import annotations

from deploykit.core.graph.index import all_graphs
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.rewrites import grid_sample, hard_swish, layer_normalization
from deploykit.core.graph.rewrites.rule import Rule, Site

REWRITES: dict[str, Rule] = {
    "GridSample": grid_sample.rewrite,
    "HardSwish": hard_swish.rewrite,
    "LayerNormalization": layer_normalization.rewrite,
}
"""Every rule by its operator."""


def rewritten(model: OnnxModel, operators: tuple[str, ...]) -> tuple[OnnxModel, tuple[str, ...]]:
    """Give a copy without these operators in its main graph, and sentences for the nodes that stay, why.

    Raises:
        KeyError: an operator without a rule.
    """
    result = model.copy()
    graph = result.proto.graph
    nodes = []
    kept = []
    for node in graph.node:
        if node.op_type not in operators or node.domain not in ("", "ai.onnx"):
            nodes.append(node)
            continue
        site = Site(result, node)
        reason = REWRITES[node.op_type](site)
        if reason:
            kept.append(f"{node.op_type} {node.name!r} stays: {reason}")
            nodes.append(node)
            continue
        nodes += site.nodes
        graph.initializer.extend(site.initializers)
    del graph.node[:]
    graph.node.extend(nodes)
    inner = sum(node.op_type in operators for body in list(all_graphs(graph))[1:] for node in body.node)
    if inner:
        kept.append(f"{inner} nodes in the bodies of If, Loop or Scan stay")
    return result, tuple(kept)
