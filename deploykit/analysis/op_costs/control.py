"""If, Loop, Scan and SequenceMap: the work of the graphs inside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from deploykit.analysis.op_costs.work import Tensors, Work, given, integer, shape
from deploykit.artifacts.graph import GraphInfo, NodeInfo

BodyWork: TypeAlias = Callable[[GraphInfo, Tensors], Work]
"""Gives the work of a subgraph that stands inside these tensors."""

ControlCost: TypeAlias = Callable[[NodeInfo, Tensors, BodyWork, int | None], Work]
"""Gives a control node's work from its body's, and from the trip count that the user set for it, if any."""


class UnknownTripCount(Exception):
    """A loop's number of iterations depends on data and the user has set no bound."""


def branch(node: NodeInfo, tensors: Tensors, body_work: BodyWork, trips: int | None) -> Work:
    """If: the branch with more operations, by bytes where these are equal; the condition costs nothing."""
    del trips
    return max((body_work(graph, tensors) for _, graph in node.subgraphs), key=burden)


def burden(work: Work) -> tuple[int, int]:
    """Give what branches are compared by: operations, then elements that move."""
    moved = work.weight_elements + work.read_elements + work.write_elements
    return 2 * work.macs + work.vector_ops, moved


def loop(node: NodeInfo, tensors: Tensors, body_work: BodyWork, trips: int | None) -> Work:
    """Loop: its body times the trip count M, if that is a constant, or as often as the user says."""
    limit = tensors[given(node, 0)].constant if given(node, 0) in tensors else None
    if trips is None and limit:
        trips = max(0, int(limit[0]))
    if trips is None:
        raise UnknownTripCount
    return body_work(_body(node), tensors).times(trips)


def scan(node: NodeInfo, tensors: Tensors, body_work: BodyWork, trips: int | None) -> Work:
    """Scan: its body times the length of the axis that it scans."""
    scanned = integer(node, "num_scan_inputs", 1)
    axes = node.attribute("scan_input_axes", (0,) * scanned)
    first_axis = int(axes[0]) if isinstance(axes, tuple) and axes else 0
    length = shape(tensors, node.inputs[len(node.inputs) - scanned])[first_axis]
    del trips
    return body_work(_body(node), tensors).times(length)


def sequence_map(node: NodeInfo, tensors: Tensors, body_work: BodyWork, trips: int | None) -> Work:
    """SequenceMap: its body times the sequence's length, which only the user knows."""
    if trips is None:
        raise UnknownTripCount
    return body_work(_body(node), tensors).times(trips)


def _body(node: NodeInfo) -> GraphInfo:
    return node.subgraphs[0][1]
