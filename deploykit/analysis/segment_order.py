"""Which segments of one frame wait for which, and how long what they share must be kept."""

from __future__ import annotations

from deploykit.analysis.live_ranges import LiveRange
from deploykit.artifacts.model import Partition


def direct_predecessors(partition: Partition) -> tuple[frozenset[int], ...]:
    """Give for each segment the indices of those that write a tensor which it reads in the same frame."""
    writer = {
        name: index for index, segment in enumerate(partition.segments) for name in segment.graph.outputs
    }
    return tuple(
        frozenset(writer[name] for name in segment.graph.inputs if writer.get(name, index) != index)
        for index, segment in enumerate(partition.segments)
    )


def boundary_ranges(partition: Partition) -> dict[str, LiveRange]:
    """Give the half-open interval of segment indices over which each tensor outside segments is needed.

    Network inputs are needed from the start, network outputs to the end. Segments that don't wait for each
    other may run in either order, or at once on two engines: a tensor's interval covers all that may run
    beside one that uses it, so that blocks may be reused under every order that the tensors allow.
    """
    users: dict[str, set[int]] = {}
    for index, segment in enumerate(partition.segments):
        for name in {*segment.graph.inputs, *segment.graph.outputs}:
            users.setdefault(name, set()).add(index)
    beside = may_run_beside(partition)
    count = len(partition.segments)
    found: dict[str, LiveRange] = {}
    for name, indices in users.items():
        reach = set().union(*(beside[index] for index in indices))
        first = 0 if name in partition.inputs else min(reach)
        end = count if name in partition.outputs else max(reach) + 1
        found[name] = LiveRange(first, end)
    return found


def may_run_beside(partition: Partition) -> list[set[int]]:
    """Give for each segment itself and all that neither must precede nor must follow it."""
    ancestors: list[set[int]] = []
    for direct in direct_predecessors(partition):
        ancestors.append({*direct}.union(*(ancestors[index] for index in direct)))
    everyone = range(len(ancestors))
    return [
        {other for other in everyone if other not in ancestors[index] and index not in ancestors[other]}
        for index in everyone
    ]
