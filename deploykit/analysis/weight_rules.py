"""Which layers keep 8-bit weights in a plan with 4-bit ones; a rule's docstring is what the user reads."""

from __future__ import annotations

import math
from collections.abc import Callable

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import Scheme

EIGHT_BITS: dict[Scheme, Scheme] = {"w4a8": "w8a8", "w4a16": "w8a16"}
"""The scheme with 8-bit weights on the same activations."""

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})

SMALL_SHARE, SMALL_TOGETHER = 0.01, 0.05
"""Shares of the network's weights: what a small layer holds at most, and all of them together."""

MOST_SHARE = 0.4
"""The share of the weights that keeps 8 bits at most; the others are why 4 bits were asked for."""


def depthwise(flow: NetworkFlow) -> frozenset[str]:
    """Is depthwise: a few weights a channel, which 4 bits cannot tell apart, and hardly any bytes to save."""
    return frozenset(
        node.id
        for node in _learned(flow)
        if node.op.startswith("Conv")
        and node.attribute("group", 1) not in (0, 1)
        and node.attribute("group", 1) == (flow.tensor(node.inputs[1]).shape or (0,))[0]
    )


def ends(flow: NetworkFlow) -> frozenset[str]:
    """Is the network's first or last layer: its error meets the data, or the result, undamped."""
    learned = _learned(flow)
    return frozenset(node.id for node in (*learned[:1], *learned[-1:]))


def small(flow: NetworkFlow) -> frozenset[str]:
    """Is small: such layers hold a twentieth of the weights together, so 4 bits save next to no bytes."""
    sizes = _sizes(flow)
    total, held, found = sum(sizes.values()), 0, set()
    for node in sorted(sizes, key=lambda name: sizes[name]):
        held += sizes[node]
        if sizes[node] > SMALL_SHARE * total or held > SMALL_TOGETHER * total:
            break
        found.add(node)
    return frozenset(found)


WEIGHT_RULES: tuple[Callable[[NetworkFlow], frozenset[str]], ...] = (depthwise, ends, small)


def eight_bit_layers(flow: NetworkFlow) -> dict[str, str]:
    """Give the reason for each node that keeps 8-bit weights, by its id.

    Together they hold at most `MOST_SHARE` of the weights; what would go beyond has 4 bits.
    """
    sizes = _sizes(flow)
    left = MOST_SHARE * sum(sizes.values())
    found: dict[str, str] = {}
    for rule in WEIGHT_RULES:
        for node in sorted(rule(flow) - set(found), key=lambda name: (sizes[name], name)):
            if sizes[node] <= left:
                left -= sizes[node]
                found[node] = (rule.__doc__ or "").splitlines()[0]
    return found


def _learned(flow: NetworkFlow) -> list[NodeInfo]:
    """Give the layers with learned weights in execution order."""
    return [node for node in flow.nodes if node.op in LAYERS and any(map(flow.is_weight, node.inputs[:2]))]


def _sizes(flow: NetworkFlow) -> dict[str, int]:
    """Give how many weights each layer has."""
    found = {}
    for node in _learned(flow):
        name = next(name for name in node.inputs[:2] if flow.is_weight(name))
        shape = flow.tensor(name).shape or ()
        found[node.id] = math.prod(size for size in shape if isinstance(size, int))
    return found
