"""Which layers keep 8-bit weights in a plan with 4-bit ones; a rule's docstring is what the user reads."""

from __future__ import annotations

from collections.abc import Callable

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.graph import NodeInfo

LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


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


WEIGHT_RULES: tuple[Callable[[NetworkFlow], frozenset[str]], ...] = (depthwise, ends)


def eight_bit_layers(flow: NetworkFlow) -> dict[str, str]:
    """Give the reason for each node that keeps 8-bit weights, by its id."""
    found: dict[str, str] = {}
    for rule in WEIGHT_RULES:
        for node in sorted(rule(flow)):
            found.setdefault(node, (rule.__doc__ or "").splitlines()[0])
    return found


def _learned(flow: NetworkFlow) -> list[NodeInfo]:
    """Give the layers with learned weights in execution order."""
    return [node for node in flow.nodes if node.op in LAYERS and any(map(flow.is_weight, node.inputs[:2]))]
