"""Which of our tensors the toolkit means: it fuses, replaces and adds operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from deploykit.artifacts.binaries import CompileReport, VendorLayer
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.toolchains.plan_files.rknn import RENAMED


def tensor_of(name: str, graph: GraphInfo) -> str | None:
    """Give the tensor behind a name of the toolkit's dumps; None for one that it has added."""
    if name in graph.tensor:
        return name
    ends = ((known, name[len(known) :]) for known in graph.tensor if name.startswith(known))
    near = [known for known, end in ends if RENAMED.fullmatch(end)]
    return max(near, key=len, default=None)


def dumped_tensors(names: Mapping[str, bool], graph: GraphInfo) -> tuple[dict[str, str], dict[str, str]]:
    """Give ({our tensor: the toolkit's name}, {its other names: why they are left out}).

    `names` tells of each whether the toolkit measured it. Where several stand for one tensor, its own name
    is taken: it is the value after all conversions.
    """
    found: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, measured in names.items():
        tensor = tensor_of(name, graph)
        if tensor is None:
            others[name] = "the toolkit's own: no tensor of the network has this name"
        elif not measured:
            others[name] = "fused into the operator behind it: its dump is no value of the network"
        elif name == tensor or tensor not in found:
            if tensor in found:
                others[found[tensor]] = f"stands for {tensor}, which is dumped under its own name too"
            found[tensor] = name
        else:
            others[name] = f"stands for {tensor}, which is dumped under its own name too"
    return found, others


def with_tensors(report: CompileReport, graph: GraphInfo) -> CompileReport:
    """Give the report with each layer's tensors, by the network's names, and their layouts."""
    nodes = {node.name: node for node in graph.nodes} | {node.id: node for node in graph.nodes}
    layout = {buffer.name: buffer.layout for buffer in report.buffers if buffer.layout}
    layers = []
    for layer in report.layers:
        tensors = tuple(_written(layer, nodes, graph))
        shown = next((layout[name] for name in reversed(tensors) if name in layout), "")
        layers.append(dataclasses.replace(layer, tensors=tensors, layout=shown))
    return dataclasses.replace(report, layers=tuple(layers))


def _written(layer: VendorLayer, nodes: Mapping[str, NodeInfo], graph: GraphInfo) -> Iterator[str]:
    """Follow a layer's fused operators ("ConvReluAdd") from its first node on."""
    kind, _, name = layer.name.partition(":")
    node = nodes.get(name)
    if node is None or kind in ("InputOperator", "OutputOperator"):
        return
    yield node.outputs[0]
    rest = layer.op.removeprefix(node.op)
    while rest:
        readers = graph.consumers.get(node.outputs[0], ())
        following = next((reader for reader in readers if rest.startswith(reader.op)), None)
        if following is None:
            return
        node = following
        rest = rest.removeprefix(node.op)
        yield node.outputs[0]
