"""A block that no bank holds, passed on tile by tile from the layer that writes it to the one that reads it.

All layers of the chain run once a tile, in turn; those in between work on the block in place, value by value.
Tiles along the batch share nothing. Tiles of rows overlap by the reader's halo: those rows are computed
again, so the writer reads its own input's rows for them again. Every layer reads its weights again for each
tile after the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deploykit.analysis.banks.accesses import NetworkTraffic, Touch
from deploykit.analysis.banks.legs import Tiling, Way
from deploykit.analysis.storage_roots import ELEMENTWISE
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition
from deploykit.solve.banks.problem import Need, Option

WINDOWED = frozenset(("Conv", "MaxPool", "AveragePool", "LpPool"))


@dataclass(frozen=True)
class _Window:
    """How many rows of its input a layer reads for one row of output, and how far the next window is."""

    rows: int
    stride: int

    @property
    def halo(self) -> int:
        """Rows that two neighbouring windows share."""
        return max(self.rows - self.stride, 0)


@dataclass(frozen=True)
class TiledChain:
    """Layers that run one right after the other, by their steps, and how they could share one tile."""

    layers: tuple[tuple[int, int], ...]
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Layer:
    """The nodes that run as one, what they touch, and their one window."""

    span: tuple[int, int]
    touches: tuple[Touch, ...]
    window: _Window


def tiled_chain(
    partition: Partition, tensors: Sequence[str], size: int, traffic: NetworkTraffic, *, bank_bytes: int
) -> TiledChain | None:
    """Give the ways to pass a block on in tiles that fit a bank; None where tiles can't be.

    Each of its values has one writer and one reader, the next layer. The first and the last layer are
    convolutions or poolings with what is fused behind them, or pointwise, those between are pointwise; all
    work on feature maps (batch, channels, rows, columns).
    """
    touches = [touch for touch in traffic.touches if touch.tensor in tensors]
    if {*partition.inputs, *partition.outputs}.intersection(tensors) or not _is_handed_on(touches):
        return None
    graph = next((s.graph for s in partition.segments if touches[0].tensor in s.graph.producer), None)
    shape = _rank4(graph.tensor.get(touches[0].tensor)) if graph else None
    if graph is None or shape is None or set(graph.outputs).intersection(tensors):
        return None
    spans = dict.fromkeys((touch.first, touch.end) for touch in touches)
    layers = [_layer(traffic, graph, span) for span in spans]
    known = [layer for layer in layers if layer is not None]
    if len(known) < len(layers) or any(layer.window != _Window(1, 1) for layer in known[1:-1]):
        return None
    moved = tuple((touch.node, touch.size_bytes) for touch in touches)
    made = (_way(known, graph, shape, size, moved, axis=axis, bank_bytes=bank_bytes) for axis in (0, 2))
    ways = tuple(way for way in made if way is not None)
    return TiledChain(tuple(spans), ways) if ways else None


def _is_handed_on(touches: Sequence[Touch]) -> bool:
    """Say whether a block's touches are: written, then read by the very next layer, which may write the next
    value, and so on."""
    if len(touches) < 2 or len(touches) % 2 or not all(touch.on_main for touch in touches):
        return False
    for write, read in zip(touches[::2], touches[1::2], strict=True):
        if not write.write or read.write or write.tensor != read.tensor or read.first != write.end:
            return False
    between = zip(touches[1::2], touches[2::2], strict=False)
    return all((read.first, read.end) == (write.first, write.end) for read, write in between)


def together(traffic: NetworkTraffic, chains: Sequence[TiledChain]) -> NetworkTraffic:
    """Let the layers of each chain run over the steps of all of them: they take turns."""
    span = {layer: (chain.layers[0][0], chain.layers[-1][1]) for chain in chains for layer in chain.layers}
    touches = tuple(
        replace(touch, first=found[0], end=found[1])
        if (found := span.get((touch.first, touch.end)))
        else touch
        for touch in traffic.touches
    )
    return replace(traffic, touches=touches)


def _way(
    layers: Sequence[_Layer],
    graph: GraphInfo,
    shape: tuple[int, ...],
    size: int,
    moved: tuple[tuple[str, int], ...],
    *,
    axis: int,
    bank_bytes: int,
) -> Way | None:
    length = shape[axis]
    window = layers[-1].window if axis == 2 else _Window(1, 1)
    count = _fewest(size, length, window, bank_bytes)
    if count is None:
        return None
    again = _again(layers, graph, window.halo, count, by_rows=axis == 2)
    saving = sum(part for _, part in moved) - again
    if saving <= 0:
        return None
    rows = min(_tile_rows(length, count, window), length)
    need = Need(-(-size * rows // length), layers[0].span[0], layers[-1].span[1])
    way_moved = (*moved, (moved[0][0], -again))
    return Way(Option(saving, (need,)), way_moved, Tiling(axis, count, window.halo, again))


def _layer(traffic: NetworkTraffic, graph: GraphInfo, span: tuple[int, int]) -> _Layer | None:
    touches = tuple(touch for touch in traffic.touches if (touch.first, touch.end) == span)
    names = {touch.node for touch in touches}
    windows = [_window(node, graph) for node in graph.nodes if node.id in names]
    wide = [window for window in windows if window != _Window(1, 1)]
    if any(window is None for window in windows) or len(wide) > 1:
        return None
    return _Layer(span, touches, wide[0] if wide and wide[0] else _Window(1, 1))


def _rank4(info: TensorInfo | None) -> tuple[int, ...] | None:
    dims = tuple(dim for dim in (info.shape or () if info else ()) if isinstance(dim, int))
    return dims if len(dims) == 4 else None


def _window(node: NodeInfo, graph: GraphInfo) -> _Window | None:
    if node.op in ELEMENTWISE:
        return _Window(1, 1)
    if node.op not in WINDOWED:
        return None
    kernel = node.attribute("kernel_shape", ())
    if not kernel and len(node.inputs) > 1:
        kernel = (_rank4(graph.tensor.get(node.inputs[1])) or ())[2:]
    strides, dilations = node.attribute("strides", (1, 1)), node.attribute("dilations", (1, 1))
    if not (isinstance(kernel, tuple) and isinstance(strides, tuple) and isinstance(dilations, tuple)):
        return None
    if len(kernel) != 2:
        return None
    return _Window((int(kernel[0]) - 1) * int(dilations[0]) + 1, int(strides[0]))


def _fewest(size: int, length: int, window: _Window, bank_bytes: int) -> int | None:
    """Give the fewest equal parts of an axis of which one with its halo fits a bank."""
    for count in range(2, length + 1):
        if size * _tile_rows(length, count, window) <= bank_bytes * length:
            return count
    return None


def _tile_rows(length: int, count: int, window: _Window) -> int:
    """Give the rows of one of so many tiles: those of whole results of its reader, with the halo."""
    return -(-length // (count * window.stride)) * window.stride + window.halo


def _again(layers: Sequence[_Layer], graph: GraphInfo, halo: int, count: int, *, by_rows: bool) -> int:
    """Give the bytes that tiles after the first read again: all layers' weights, and the writer's rows."""
    weights = sum(touch.size_bytes for layer in layers for touch in layer.touches if touch.weight)
    rows = 0
    writer = layers[0]
    for touch in writer.touches if by_rows else ():
        shape = _rank4(graph.tensor.get(touch.tensor))
        if shape and not touch.write and not touch.weight:
            shared = min(halo * writer.window.stride + writer.window.halo, shape[2])
            rows += -(-touch.size_bytes * shared // shape[2])
    return (count - 1) * (weights + rows)
