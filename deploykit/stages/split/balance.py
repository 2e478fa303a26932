"""The cut into a given number of parts of about equal time, with the fewest bytes between them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy

from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.core.dtypes import size_bytes
from deploykit.core.errors import InputError, input_error
from deploykit.core.graph.index import GraphIndex, node_id
from deploykit.core.profile import ChipProfile

UNKNOWN_BYTES = 1 << 24
"""What a crossing tensor of unknown size counts as: cuts avoid it."""


def cut_balanced(
    index: GraphIndex, graph: GraphInfo, node_time_s: Mapping[str, float], *, parts: int, slack: float
) -> list[int]:
    """Number the nodes so that the longest of `parts` takes at most (1 + slack) times the least possible, and
    among these cuts the fewest bytes cross. Exact for cuts of the nodes' order. Raises InputError for too few
    nodes."""
    nodes = index.graph.node
    if parts > len(nodes):
        raise input_error(f"balance {parts}", f"the network has {len(nodes)} nodes", "ask for fewer segments")
    times = numpy.array([node_time_s.get(node_id(node), 0.0) for node in nodes])
    starts = numpy.concatenate([[0.0], numpy.cumsum(times)])
    limit = _least_longest(starts, parts) * (1 + slack)
    cuts = _cheapest_cuts(starts, crossing_bytes(index, graph), parts, limit)
    borders = [0, *cuts, len(nodes)]
    return [part for part, (begin, end) in enumerate(itertools.pairwise(borders)) for _ in range(begin, end)]


def roofline_times(graph: GraphInfo, profile: ChipProfile, notices: list[str]) -> dict[str, float]:
    """Predict each node's seconds on the chip, at the first precision that its engine offers.

    Nodes that have no prediction (free sizes, operators of the user's own) count as nothing, with a notice.
    """
    from deploykit.analysis.roofline import cost_nodes

    try:
        return {cost.node: cost.schemes[0].time_s for cost in cost_nodes(graph, profile)}
    except InputError:
        pass  # some node has no prediction: find out which, one by one
    times: dict[str, float] = {}
    reasons = []
    for node in graph.nodes:
        try:
            costs = cost_nodes(dataclasses.replace(graph, nodes=(node,)), profile)
            times |= {cost.node: cost.schemes[0].time_s for cost in costs}
        except InputError as error:
            reasons.append(str(error.faults[0]))
    notices.append(
        f"{len(reasons)} nodes have no predicted time and count as nothing, the first since {reasons[0]}"
    )
    return times


def crossing_bytes(index: GraphIndex, graph: GraphInfo) -> list[int]:
    """Give for each position how many bytes are written before it and read at or after it."""
    changes = [0] * (len(index.graph.node) + 1)
    for name, at in index.producer.items():
        last = max(index.consumers.get(name, (at,)))
        size = tensor_size_bytes(graph.tensor[name]) if name in graph.tensor else UNKNOWN_BYTES
        changes[at + 1] += size
        changes[last + 1] -= size
    return list(itertools.accumulate(changes))


def tensor_size_bytes(tensor: TensorInfo) -> int:
    """Give a tensor's size, by its upper bound where the data decides it."""
    shape: Sequence[object] | None = tensor.upper_bound or tensor.shape
    if shape is None or not all(isinstance(size, int) for size in shape):
        return UNKNOWN_BYTES
    return size_bytes(tensor.dtype, math.prod(size for size in shape if isinstance(size, int)))


def _least_longest(starts: numpy.typing.NDArray[numpy.float64], parts: int) -> float:
    """Give the least possible time of the longest of `parts` stretches, by dynamic programming."""
    count = len(starts) - 1
    best = starts.copy()  # one part up to each position
    for _ in range(parts - 1):
        following = best.copy()
        for end in range(1, count + 1):
            longest = numpy.maximum(best[:end], starts[end] - starts[:end])
            following[end] = longest.min()
        best = following
    return float(best[count])


def _cheapest_cuts(
    starts: numpy.typing.NDArray[numpy.float64], crossing: Sequence[int], parts: int, limit: float
) -> list[int]:
    """Give the parts - 1 positions with the fewest crossing bytes such that no stretch exceeds `limit`."""
    count = len(starts) - 1
    allowed = limit * (1 + 1e-9)
    price = numpy.array(crossing, dtype=numpy.float64)
    best = numpy.where(starts <= allowed, 0.0, numpy.inf)
    best[0] = numpy.inf  # every part has a node
    choices = []
    for _ in range(parts - 1):
        following = numpy.full(count + 1, numpy.inf)
        chosen = numpy.zeros(count + 1, dtype=numpy.int64)
        for end in range(1, count + 1):
            total = numpy.where(starts[end] - starts[:end] <= allowed, best[:end] + price[:end], numpy.inf)
            chosen[end] = int(total.argmin())
            following[end] = total[chosen[end]]
        best = following
        choices.append(chosen)
    cuts, end = [], count
    for chosen in reversed(choices):
        end = int(chosen[end])
        cuts.append(end)
    return cuts[::-1]
