"""From a graph to its layer table: which operations run as one layer, and what each layer asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from deploykit.analysis.fusion import Fusion, fuse
from deploykit.analysis.graph_work import WorkSettings, graph_works, operator_name
from deploykit.analysis.layer_kinds import kind_of
from deploykit.analysis.op_costs import Work
from deploykit.analysis.op_costs.work import known_size, total
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.artifacts.layer_table import LayerRow, NetworkTable
from deploykit.core.errors import Fault, InputError
from deploykit.core.profile import EngineProfile

USUALLY_FUSED = (
    "Add",
    "BatchNormalization",
    "Clip",
    "Elu",
    "Erf",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Mish",
    "Mul",
    "PRelu",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Tanh",
)
"""What the compilers of edge chips compute on the way out of a convolution or matrix product."""


@dataclass(frozen=True)
class Layer:
    """A node, those fused into it, and the work of them all without what stays on the chip."""

    head: NodeInfo
    nodes: tuple[NodeInfo, ...]
    work: Work


def network_table(
    graph: GraphInfo,
    *,
    name: str,
    source: str,
    fuses: Collection[str] = USUALLY_FUSED,
    settings: WorkSettings | None = None,
) -> NetworkTable:
    """Make a network's layer table; `fuses` lists the operators that are computed with the layer before them.

    Raises:
        InputError: as `graph_works`; operators without a kind, all at once; no input of known size.
    """
    shape = known_size(graph.tensor.get(graph.inputs[0])) if graph.inputs else None
    if not shape:
        raise InputError(Fault(name, "the size of its first input is not known", "bind its dims"))
    works = dict(zip((node.id for node in graph.nodes), graph_works(graph, settings=settings), strict=True))
    rows = merged(layer_rows(graph, works, fuses=fuses))
    return NetworkTable(name, source, shape, shape[0], count_parameters(works.values()), rows)


def count_parameters(works: Collection[Work]) -> int:
    """Count the elements of all weights and biases that the network reads, each tensor once."""
    found = {
        access.tensor: access.elements
        for work in works
        for access in work.reads
        if access.role != "activation" and access.dtype not in ("int64", "bool")
    }
    return sum(found.values())


def layer_rows(
    graph: GraphInfo, works: Mapping[str, Work], *, fuses: Collection[str] = USUALLY_FUSED
) -> tuple[LayerRow, ...]:
    """Give a row for each layer, in the graph's order; nodes that do nothing have none.

    `works` are by node id.

    Raises:
        InputError: operators without a kind, all at once.
    """
    batch = (known_size(graph.tensor.get(graph.inputs[0])) or (1,))[0] if graph.inputs else 1
    layers = fused_layers(graph, works, fuses=fuses)
    kinds = [kind_of(layer.head, graph.tensor, works[layer.head.id], batch=batch) for layer in layers]
    faults = dict.fromkeys(
        Fault(
            layer.head.id,
            f"{operator_name(layer.head)} has no layer kind",
            "latency can't be predicted with it",
        )
        for layer, kind in zip(layers, kinds, strict=True)
        if kind is None
    )
    if faults:
        raise InputError(*faults)
    return tuple(
        LayerRow(
            kind,
            layer.work.macs,
            layer.work.vector_ops,
            layer.work.read_elements,
            layer.work.weight_elements,
            layer.work.write_elements,
            special_ops=layer.work.special_ops,
        )
        for layer, kind in zip(layers, kinds, strict=True)
        if kind is not None
    )


def merged(rows: Collection[LayerRow]) -> tuple[LayerRow, ...]:
    """Give equal rows once, with their counts added up, in the order of their first occurrence."""
    counts: dict[LayerRow, int] = {}
    for row in rows:
        single = replace(row, count=1)
        counts[single] = counts.get(single, 0) + row.count
    return tuple(replace(row, count=count) for row, count in counts.items())


def fused_layers(graph: GraphInfo, works: Mapping[str, Work], *, fuses: Collection[str]) -> tuple[Layer, ...]:
    """Group nodes into the layers that run as one, on an engine that runs all and fuses `fuses`."""
    engine = EngineProfile("any", "npu", 1, {}, ("*",), fuses=tuple(fuses))
    fusion = fuse(graph, dict.fromkeys((node.id for node in graph.nodes), engine))
    return grouped(graph, works, fusion)


def grouped(graph: GraphInfo, works: Mapping[str, Work], fusion: Fusion) -> tuple[Layer, ...]:
    """Group nodes into the layers that a fusion makes of them; nodes that do nothing are in none."""
    groups: dict[str, list[NodeInfo]] = {}
    head_of: dict[str, str] = {}
    for node in graph.nodes:
        before = [graph.producer[name].id for name in node.inputs if name in fusion.kept]
        head = head_of[before[0]] if node.id in fusion.followers else node.id
        head_of[node.id] = head
        groups.setdefault(head, []).append(node)
    layers = (
        Layer(nodes[0], tuple(nodes), _off_chip([works[node.id] for node in nodes], fusion))
        for nodes in groups.values()
    )
    return tuple(layer for layer in layers if layer.work != Work())


def _off_chip(works: Collection[Work], fusion: Fusion) -> Work:
    whole = total(works)
    return replace(
        whole,
        reads=tuple(access for access in whole.reads if access.tensor not in fusion.kept),
        writes=tuple(access for access in whole.writes if access.tensor not in fusion.kept),
    )
