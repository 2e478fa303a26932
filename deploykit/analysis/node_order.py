"""Which nodes of a graph wait for which; sets of steps are the bits of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.artifacts.graph import GraphInfo, reads


def predecessors(graph: GraphInfo) -> tuple[int, ...]:
    """Give for each node the steps that write what it reads, also through a subgraph."""
    writer = {name: step for step, node in enumerate(graph.nodes) for name in node.outputs if name}
    return tuple(
        sum(1 << step for step in {writer[name] for name in reads(node) if name in writer})
        for node in graph.nodes
    )


def ancestors(graph: GraphInfo) -> tuple[int, ...]:
    """Give for each node all steps that must be over before it."""
    found: list[int] = []
    for direct in predecessors(graph):
        everyone = direct
        for step in steps_of(direct):
            everyone |= found[step]
        found.append(everyone)
    return tuple(found)


def beside(graph: GraphInfo) -> tuple[tuple[int, int], ...]:
    """Give for each node the half-open steps from the first to the last that may run at the same time as it.

    Such a node neither waits for it nor is waited for; the node itself counts.
    """
    before = ancestors(graph)
    after = [0] * len(before)
    for step, everyone in enumerate(before):
        for earlier in steps_of(everyone):
            after[earlier] |= 1 << step
    every = (1 << len(before)) - 1
    free = [every & ~(before[step] | after[step]) for step in range(len(before))]
    return tuple(((mask & -mask).bit_length() - 1, mask.bit_length()) for mask in free)


def steps_of(mask: int) -> Sequence[int]:
    """Give the steps in a set, from the first on."""
    return [step for step in range(mask.bit_length()) if mask >> step & 1]
