"""Tensors whose few largest values are the result."""

from __future__ import annotations

from deploykit.analysis.float_rules import SCALED_BY_CONSTANTS
from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.integer_operators import MOVEMENT

RANKS = frozenset({"ArgMax", "ArgMin", "Hardmax", "LogSoftmax", "Softmax", "TopK"})
"""Operators whose result hangs on the extremes of their first input."""

KEEPS_ORDER = MOVEMENT | SCALED_BY_CONSTANTS | {"Relu", "Sigmoid"}


def peak_tensors(flow: NetworkFlow) -> frozenset[str]:
    """Give what a Softmax, ArgMax or TopK ranks, from the layer that computes it on.

    One class of thousands wins: the winners can be fewer than the values that a percentile leaves out, and
    all that lie beyond a range's end come out equal.
    """
    found: set[str] = set()
    for node in reversed(flow.nodes):
        sources = flow.float_inputs(node)
        if node.op in RANKS:
            found.update(sources[:1])
        elif node.op not in KEEPS_ORDER or not found.intersection(node.outputs):
            continue
        elif node.op in MOVEMENT or len(sources) == 1:
            found.update(sources)
    return frozenset(found)
