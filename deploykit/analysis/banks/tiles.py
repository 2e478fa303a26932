"""A tensor that no bank holds, passed on tile by tile from the layer that writes it to the one that reads it.

Both layers run once a tile, in turn. Tiles along the batch share nothing. Tiles of rows overlap by the
reader's halo: the writer computes those rows again, so it reads its own input's rows for them again. Both
layers read their weights again for each tile after the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deploykit.analysis.banks.accesses import NetworkTraffic, Touch
from deploykit.analysis.banks.legs import Tiling, Way
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition
from deploykit.solve.banks.problem import Need, Option

WINDOWED = frozenset(("Conv", "MaxPool", "AveragePool", "LpPool"))
_ONE_TO_ONE = """
    Abs Add BatchNormalization Cast Ceil Clip Div Elu Erf Exp Floor HardSigmoid HardSwish LeakyRelu Max Min
    Mul Neg PRelu Relu Round Sigmoid Sqrt Sub Tanh
"""
POINTWISE = frozenset(_ONE_TO_ONE.split())


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
class TiledPair:
    """Two layers, by the steps over which each runs, that could pass a tensor on tile by tile."""

    writer: tuple[int, int]
    reader: tuple[int, int]
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Layer:
    """The nodes that run as one, what they touch, and their one window."""

    span: tuple[int, int]
    touches: tuple[Touch, ...]
    window: _Window


def tiled_pair(
    partition: Partition, tensors: Sequence[str], size: int, traffic: NetworkTraffic, *, bank_bytes: int
) -> TiledPair | None:
    """Give the ways to pass a block of one value on in tiles that fit a bank; None where tiles can't be.

    The tensor has one writer and one reader, which run one right after the other; both are convolutions or
    poolings with what is fused behind them, or pointwise, of feature maps (batch, channels, rows, columns).
    """
    touches = [touch for touch in traffic.touches if touch.tensor in tensors]
    writes, reads = ([touch for touch in touches if touch.write is kind] for kind in (True, False))
    outside = {*partition.inputs, *partition.outputs}.intersection(tensors)
    if len(writes) != 1 or len(reads) != 1 or outside or not all(touch.on_main for touch in touches):
        return None
    if reads[0].first != writes[0].end:
        return None
    graph = next((s.graph for s in partition.segments if writes[0].tensor in s.graph.producer), None)
    shape = _rank4(graph.tensor.get(writes[0].tensor)) if graph else None
    if graph is None or shape is None or writes[0].tensor in graph.outputs:
        return None
    writer, reader = _layer(traffic, graph, writes[0]), _layer(traffic, graph, reads[0])
    if writer is None or reader is None:
        return None
    moved = tuple((touch.node, touch.size_bytes) for touch in (writes[0], reads[0]))
    made = (
        _way(writer, reader, graph, shape, size, moved, axis=axis, bank_bytes=bank_bytes) for axis in (0, 2)
    )
    ways = tuple(way for way in made if way is not None)
    return TiledPair(writer.span, reader.span, ways) if ways else None


def together(traffic: NetworkTraffic, pairs: Sequence[TiledPair]) -> NetworkTraffic:
    """Let both layers of each pair run over the steps of both: they take turns."""
    span = {old: (pair.writer[0], pair.reader[1]) for pair in pairs for old in (pair.writer, pair.reader)}
    touches = tuple(
        replace(touch, first=found[0], end=found[1])
        if (found := span.get((touch.first, touch.end)))
        else touch
        for touch in traffic.touches
    )
    return replace(traffic, touches=touches)


def _way(
    writer: _Layer,
    reader: _Layer,
    graph: GraphInfo,
    shape: tuple[int, ...],
    size: int,
    moved: tuple[tuple[str, int], ...],
    *,
    axis: int,
    bank_bytes: int,
) -> Way | None:
    length = shape[axis]
    halo = reader.window.halo if axis == 2 else 0
    count = _fewest(size, length, halo, bank_bytes)
    if count is None:
        return None
    again = _again(writer, reader, graph, halo, count, by_rows=axis == 2)
    saving = sum(size for _, size in moved) - again
    if saving <= 0:
        return None
    rows = min(-(-length // count) + halo, length)
    need = Need(-(-size * rows // length), writer.span[0], reader.span[1])
    way_moved = (*moved, (moved[0][0], -again))
    return Way(Option(saving, (need,)), way_moved, Tiling(axis, count, halo, again))


def _layer(traffic: NetworkTraffic, graph: GraphInfo, touch: Touch) -> _Layer | None:
    span = (touch.first, touch.end)
    touches = tuple(other for other in traffic.touches if (other.first, other.end) == span)
    names = {other.node for other in touches}
    nodes = [node for node in graph.nodes if node.id in names]
    windows = [_window(node, graph) for node in nodes]
    wide = [window for window in windows if window != _Window(1, 1)]
    if any(window is None for window in windows) or len(wide) > 1:
        return None
    return _Layer(span, touches, wide[0] if wide and wide[0] else _Window(1, 1))


def _rank4(info: TensorInfo | None) -> tuple[int, ...] | None:
    dims = tuple(dim for dim in (info.shape or () if info else ()) if isinstance(dim, int))
    return dims if len(dims) == 4 else None


def _window(node: NodeInfo, graph: GraphInfo) -> _Window | None:
    if node.op in POINTWISE:
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


def _fewest(size: int, length: int, halo: int, bank_bytes: int) -> int | None:
    """Give the fewest equal parts of an axis of which one with its halo fits a bank."""
    for count in range(2, length + 1):
        if size * (-(-length // count) + halo) <= bank_bytes * length:
            return count
    return None


def _again(writer: _Layer, reader: _Layer, graph: GraphInfo, halo: int, count: int, *, by_rows: bool) -> int:
    """Give the bytes that tiles after the first read again: both layers' weights, and the writer's rows."""
    weights = sum(touch.size_bytes for layer in (writer, reader) for touch in layer.touches if touch.weight)
    rows = 0
    for touch in writer.touches if by_rows else ():
        shape = _rank4(graph.tensor.get(touch.tensor))
        if shape and not touch.write and not touch.weight:
            shared = min(halo * writer.window.stride + writer.window.halo, shape[2])
            rows += -(-touch.size_bytes * shared // shape[2])
    return (count - 1) * (weights + rows)
