"""A partition as its memory plan sees it: in the planned order, with the kept tensors among the outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.model import Partition, Segment


def as_planned(partition: Partition, plan: MemoryPlan) -> Partition:
    """Give the partition that the plan's steps are counted in."""
    return reordered(keeping(partition, plan.kept), dict(plan.orders))


def keeping(partition: Partition, names: Sequence[str]) -> Partition:
    """Give a partition in which these tensors are outputs: nothing is ever written over them."""
    if not names:
        return partition
    segments = []
    for segment in partition.segments:
        made = {name for node in segment.graph.nodes for name in node.outputs}
        more = [name for name in names if name in made and name not in segment.graph.outputs]
        graph = dataclasses.replace(segment.graph, outputs=(*segment.graph.outputs, *more))
        segments.append(dataclasses.replace(segment, graph=graph))
    more = [name for name in names if name not in partition.outputs]
    return dataclasses.replace(partition, segments=tuple(segments), outputs=(*partition.outputs, *more))


def reordered(partition: Partition, orders: Mapping[str, tuple[str, ...]]) -> Partition:
    """Give a partition whose segments run their nodes (by id) in these orders, where one is given."""
    if not orders:
        return partition
    segments = tuple(
        in_order(segment, orders[segment.name]) if segment.name in orders else segment
        for segment in partition.segments
    )
    return dataclasses.replace(partition, segments=segments)


def in_order(segment: Segment, order: Sequence[str]) -> Segment:
    """Give a segment whose nodes stand in this order."""
    by_id = {node.id: node for node in segment.graph.nodes}
    graph = dataclasses.replace(segment.graph, nodes=tuple(by_id[name] for name in order))
    return dataclasses.replace(segment, graph=graph)
