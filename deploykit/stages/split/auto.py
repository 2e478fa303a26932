"""The cut that the chip asks for: each node on an engine that runs it, in as few segments as dependency
allows.

Nodes of one part get a level: that of what they read, one higher wherever the engine changes. Levels of one
engine are those of one remainder (main 0, 2, 4 ..., fallback 1, 3, 5 ...), so that independent branches share
segments.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from onnx import NodeProto

from deploykit.core.graph.foreign import node_is_foreign
from deploykit.core.graph.index import GraphIndex, all_graphs, subgraphs
from deploykit.core.profile import ChipProfile

MAIN, FALLBACK, FOREIGN = 0, 1, 2
"""What runs a node: the chip's main engine, its fallback engine, or code that the user brings for that
one."""

HEAVY = frozenset(
    {
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "DeformConv",
        "Gemm",
        "GRU",
        "LSTM",
        "MatMul",
        "QLinearConv",
        "RNN",
    }
)
HEAVY |= {"Attention", "Einsum", "MatMulInteger", "QLinearMatMul"}


def engine_kind(node: NodeProto, profile: ChipProfile) -> int:
    """Say what runs a node; one with subgraphs goes where all of its body runs."""
    if node_is_foreign(node):
        return FOREIGN
    return FALLBACK if lacking(node, profile) else MAIN


def lacking(node: NodeProto, profile: ChipProfile) -> tuple[str, ...]:
    """Give the operators of a node, also in its subgraphs, that the chip's main engine does not run."""
    inner = (other for _, graph in subgraphs(node) for each in all_graphs(graph) for other in each.node)
    names = (operator_name(other) for other in (node, *inner))
    return tuple(dict.fromkeys(name for name in names if not profile.engines[0].supports(name)))


def operator_name(node: NodeProto) -> str:
    """Give an operator's name, with its domain unless it is ONNX's own."""
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"


def cut_by_engine(
    index: GraphIndex, parts: Sequence[int], kinds: list[int], min_nodes: int
) -> list[tuple[int, int, int]]:
    """Give each node its (part, level, kind); small stretches in `kinds` may move to the fallback.

    Nodes that depend on weights alone go to the first that reads them, whatever their part: a constant needs
    no hand-over.
    """
    free = _constant_nodes(index, kinds)
    keys = [(part, 0, kind) for part, kind in zip(parts, kinds, strict=True)]
    for part in sorted(set(parts)):
        inside = [at for at in range(len(parts)) if parts[at] == part and at not in free]
        if inside:
            for at, level in _merge_small(index, inside, kinds, min_nodes).items():
                keys[at] = (part, level, kinds[at])
    for at in sorted(free, reverse=True):
        keys[at] = min(keys[reader] for reader in _readers(index, at))
    return keys


def _constant_nodes(index: GraphIndex, kinds: Sequence[int]) -> set[int]:
    """Find the nodes that depend on weights alone and that can run wherever their readers do."""
    shown = {value.name for value in index.graph.output}
    constant: set[int] = set()
    for at, reads in enumerate(index.reads):
        made = [index.producer.get(name) for name in reads if name not in index.weights]
        if all(other in constant for other in made) and kinds[at] == MAIN:
            constant.add(at)
    for at in sorted(constant, reverse=True):
        readers = _readers(index, at)
        stuck = not readers or shown & set(index.graph.node[at].output)
        if stuck or any(kinds[reader] == FOREIGN for reader in readers):
            constant.discard(at)
    return constant


def _readers(index: GraphIndex, at: int) -> list[int]:
    return [reader for name in index.graph.node[at].output for reader in index.consumers.get(name, ())]


def _merge_small(
    index: GraphIndex, inside: Sequence[int], kinds: list[int], min_nodes: int
) -> dict[int, int]:
    """Find levels, then move light stretches to the fallback engine while that saves segments."""
    levels = _levels(index, inside, kinds)
    settled = False
    while not settled:
        settled = True
        for level in sorted(set(levels.values())):
            stretch = [at for at in inside if levels[at] == level]
            heavy = any(index.graph.node[at].op_type in HEAVY for at in stretch)
            if kinds[stretch[0]] != MAIN or heavy or len(stretch) >= min_nodes:
                continue
            for at in stretch:
                kinds[at] = FALLBACK
            moved = _levels(index, inside, kinds)
            if len(set(moved.values())) < len(set(levels.values())):
                levels, settled = moved, False
                break
            for at in stretch:
                kinds[at] = MAIN
    return levels


def _levels(index: GraphIndex, inside: Sequence[int], kinds: Sequence[int]) -> dict[int, int]:
    """Give levels by the order of the engines that needs the fewest of them."""
    present = sorted({kinds[at] for at in inside})
    found = [_levels_in_order(index, inside, kinds, order) for order in itertools.permutations(present)]
    return min(found, key=lambda levels: len(set(levels.values())))


def _levels_in_order(
    index: GraphIndex, inside: Sequence[int], kinds: Sequence[int], order: Sequence[int]
) -> dict[int, int]:
    levels: dict[int, int] = {}
    for at in inside:
        lowest = 0
        for other in index.before[at]:
            if other in levels:
                lowest = max(lowest, levels[other] + (kinds[other] != kinds[at]))
        levels[at] = lowest + (order.index(kinds[at]) - lowest) % len(order)
    return levels
