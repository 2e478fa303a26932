"""Which tensors never leave the chip because two layers run as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploykit.analysis.op_costs.work import known_size
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.core.profile import EngineProfile

ANCHORS = frozenset(
    (
        "Conv",
        "ConvTranspose",
        "ConvInteger",
        "QLinearConv",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "QLinearMatMul",
        "DynamicQuantizeMatMul",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "MatMulBnb4",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "NhwcConv",
        "NhwcFusedConv",
        "QGemm",
    )
)
"""Operators whose compilers compute what follows on the way out."""


SCALINGS = frozenset(("Mul", "Div"))
"""By constants, these change the scale of the layer before them, which every compiler does."""

VIEWS = frozenset(("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"))
"""These give the same bytes another shape, so a layer and its follower run as one across them."""


@dataclass(frozen=True)
class Fusion:
    """`followers` are the nodes that run as part of the layer before them, `kept` the tensors in between."""

    followers: frozenset[str]
    kept: frozenset[str]


NOTHING_FUSED = Fusion(frozenset(), frozenset())


def fuse(graph: GraphInfo, engines: Mapping[str, EngineProfile]) -> Fusion:
    """Find chains that start at a convolution or matrix product and go on through what the engine fuses.

    A node follows if it alone reads the tensor before it, which is no output of the graph, keeps its size,
    and runs on the same engine; x * f(x) follows as a whole. `engines` gives each node's engine by its id.
    Other operands (the second input of a residual Add) are read from memory as before.
    """
    followers: set[str] = set()
    kept: set[str] = set()
    for anchor in graph.nodes:
        if anchor.op not in ANCHORS:
            continue
        last: NodeInfo | None = anchor
        while last is not None:
            group = _next(graph, last, engines[anchor.id])
            if any(node.id in followers or engines[node.id] is not engines[anchor.id] for node in group):
                break  # a residual Add belongs to one chain only
            followers.update(node.id for node in group)
            kept.update(node.outputs[0] for node in (last, *group[:-1]) if group)
            last = group[-1] if group else None
    return Fusion(frozenset(followers), frozenset(kept))


def fused_tensors(partition: Partition, engines: Mapping[str, EngineProfile]) -> tuple[str, ...]:
    """Give the `kept` tensors of all segments, in execution order."""
    graphs = [segment.graph for segment in partition.segments]
    kept = {name for graph in graphs for name in fuse(graph, engines).kept}
    return tuple(node.outputs[0] for graph in graphs for node in graph.nodes if node.outputs[0] in kept)


def _next(graph: GraphInfo, node: NodeInfo, engine: EngineProfile) -> tuple[NodeInfo, ...]:
    """Give the node, or the nodes of x * f(x), that can run with the one before it."""
    tensor = node.outputs[0]
    readers = graph.consumers.get(tensor, ())
    if tensor in graph.outputs or any(reader.subgraphs for reader in readers):
        return ()
    if len(readers) == 1 and readers[0].op in VIEWS:
        behind = _next(graph, readers[0], engine)
        return (readers[0], *behind) if behind else ()
    if len(readers) == 1:
        return readers if _fits(graph, readers[0], tensor, engine) else ()
    if len(readers) == 2 and readers[1].op == "Mul":
        return _gated(graph, *readers, tensor, engine)
    return ()


def _gated(
    graph: GraphInfo, first: NodeInfo, product: NodeInfo, tensor: str, engine: EngineProfile
) -> tuple[NodeInfo, ...]:
    """Give the nodes of x * f(x), where the engine fuses all of f: SiLU, a spelt-out hard swish."""
    chain: list[NodeInfo] = []
    node, value = first, tensor
    while node is not product:
        if not _fits(graph, node, value, engine):
            return ()
        chain.append(node)
        value = node.outputs[0]
        readers = graph.consumers.get(value, ())
        if len(readers) != 1 or value in graph.outputs:
            return ()
        node = readers[0]
    return (*chain, product)


def _fits(graph: GraphInfo, node: NodeInfo, tensor: str, engine: EngineProfile) -> bool:
    sizes = [known_size(graph.tensor.get(name)) for name in (tensor, node.outputs[0])]
    others = [graph.tensor.get(name) for name in node.inputs if name and name != tensor]
    scaling = node.op in SCALINGS and all(other is not None and other.is_weight for other in others)
    fuses = node.op in engine.fuses or (node.op == "Erf" and "Gelu" in engine.fuses)
    return (fuses or scaling) and sizes[0] is not None and sizes[0] == sizes[1]
