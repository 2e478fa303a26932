"""Concats of values of very different size: boxes in pixels beside scores up to 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.integer_operators import MOVEMENT
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Calibration, Scheme, is_integer
from deploykit.stages.quantize.placement import Placement

RANGE_RATIO = 20.0
"""From this ratio of input ranges on, one scale leaves the narrowest input fewer than 13 of 256 codes."""


@dataclass(frozen=True)
class Apart:
    """Nodes that join values whose scales differ, in real numbers, with the tensors that they write."""

    nodes: frozenset[str]
    tensors: frozenset[str]
    notices: tuple[str, ...]


def concats_apart(
    partition: Partition, placement: Placement, calibration: Calibration, schemes: Mapping[str, Scheme]
) -> Apart:
    """Give each input of a Concat with such values a scale of its own, where no layer reads the result.

    On the way to an output, the parts leave the chip as integers of their own, and are joined where they are
    made real numbers. In front of another layer one scale has to do, which a notice says.
    """
    flow = NetworkFlow(partition)
    nodes: set[str] = set()
    notices = []
    for node, narrow, wide in _uneven(partition, placement, calibration):
        tail = _tail(flow, node.outputs[0], schemes)
        if tail is None:
            notices.append(
                f"{node.id} joins {wide} and {narrow} under one scale; "
                "keep it float with an exception, or cut before it"
            )
            continue
        nodes.update((node.id, *(each.id for each in tail)))
        notices.append(f"{node.id} joins {wide} and {narrow} as real numbers: each has a scale of its own")
    tensors = {name for each in flow.nodes if each.id in nodes for name in each.outputs}
    return Apart(frozenset(nodes), frozenset(tensors), tuple(notices))


def _uneven(
    partition: Partition, placement: Placement, calibration: Calibration
) -> Iterator[tuple[NodeInfo, str, str]]:
    """Give such Concats, with their narrowest and widest input in words."""
    widths: Mapping[str, float] = {
        **{seen.tensor: seen.high - seen.low for seen in calibration.ranges},
        **{name: high - low for name, (low, high) in placement.fixed_ranges.items()},
    }
    for node in (node for segment in partition.segments for node in segment.graph.nodes):
        known = {name: widths[name] for name in node.inputs if widths.get(name)}
        bits = placement.stored.get(node.outputs[0]) if node.op == "Concat" else None
        if bits is None or len(known) < 2:
            continue
        narrow, wide = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
        if known[wide] > RANGE_RATIO * 2 ** (bits - 8) * known[narrow]:
            shown = [f"{name} (range {known[name]:.3g})" for name in (narrow, wide)]
            yield node, shown[0], shown[1]


def _tail(flow: NetworkFlow, name: str, schemes: Mapping[str, Scheme]) -> list[NodeInfo] | None:
    """Give the integer nodes that carry a tensor on to outputs or float nodes; None where others read it."""
    if name in flow.state_output.values():
        return None
    found = []
    for node in flow.readers.get(name, ()):
        if not is_integer(schemes.get(node.id, "float32")):
            continue
        behind = [_tail(flow, output, schemes) for output in node.outputs]
        if node.op not in MOVEMENT or any(tail is None for tail in behind):
            return None
        found += [node, *(each for tail in behind for each in tail or ())]
    return found
