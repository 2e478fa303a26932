"""Views of a cost grid: axes, what each point says of each node, and where the nodes stand in the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploykit.artifacts.cost_grid import CostGrid, GridPoint
from deploykit.artifacts.costs import Bound, NodeCost, SchemeCost
from deploykit.artifacts.graph import GraphInfo, reads
from deploykit.reports.views.costs import roof_lines
from deploykit.reports.views.nouns.costs import RoofLine


@dataclass(frozen=True)
class Axis:
    """Something to choose: "chip", "precision", or a dimension, with its values in order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class PointNode:
    """One node at one point; `index` is its place among all. `measured_s` is None where no table has it."""

    index: int
    engine: str
    scheme: str
    macs: int
    operations: int
    traffic_bytes: int
    intensity: float
    bound: Bound
    time_s: float
    time_share: float
    measured_s: float | None

    @property
    def rate_ops_per_s(self) -> float | None:
        """Operations over predicted time."""
        return self.operations / self.time_s if self.operations and self.time_s > 0 else None


@dataclass(frozen=True)
class PointView:
    """One choice on every axis (`place` holds the values' positions): the nodes, and their sums."""

    place: tuple[int, ...]
    title: str
    time_s: float
    bound_share: tuple[tuple[Bound, float], ...]
    macs: int
    traffic_bytes: int
    nodes: tuple[PointNode, ...]
    roofs: tuple[RoofLine, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class GraphPicture:
    """Nodes at (column, row), a row being the longest way from an input; None for those of other sizes only.
    `edges` are pairs of node positions."""

    columns: tuple[float | None, ...]
    rows: tuple[int | None, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ExplorerView:
    """A page: `nodes` are (id, operator) in execution order; sizes may fold some of them away."""

    network: str
    nodes: tuple[tuple[str, str], ...]
    axes: tuple[Axis, ...]
    points: tuple[PointView, ...]
    picture: GraphPicture


def explorer_view(grid: CostGrid) -> ExplorerView:
    """Lay the grid out: one point for each chip, precision that it has, and choice of sizes."""
    ops = {node.node: node.op for point in grid.points for node in point.report.nodes}
    index = {name: place for place, name in enumerate(ops)}
    axes = _axes(grid)
    points = [
        _point(grid, point, scheme, axes, index)
        for point in grid.points
        for scheme in axes[1].values
        if any(cost.scheme == scheme for node in point.report.nodes for cost in node.schemes)
    ]
    return ExplorerView(
        grid.network,
        tuple(ops.items()),
        axes,
        tuple(points),
        draw_graph(grid.graph, tuple(ops)),
    )


def _axes(grid: CostGrid) -> tuple[Axis, ...]:
    schemes = (cost.scheme for point in grid.points for node in point.report.nodes for cost in node.schemes)
    sizes: dict[str, set[int]] = {}
    for point in grid.points:
        for name, size in point.sizes:
            sizes.setdefault(name, set()).add(size)
    return (
        Axis("chip", tuple(dict.fromkeys(point.chip for point in grid.points))),
        Axis("precision", tuple(dict.fromkeys(schemes))),
        *(Axis(name, tuple(map(str, sorted(values)))) for name, values in sizes.items()),
    )


def _point(
    grid: CostGrid, point: GridPoint, scheme: str, axes: tuple[Axis, ...], index: Mapping[str, int]
) -> PointView:
    measured = {
        item.node: item.time_s
        for item in grid.measured
        if item.chip in ("", point.chip) and item.scheme in ("", scheme)
    }
    chosen = [(node, node.at(scheme)) for node in point.report.nodes]
    total_s = sum(cost.time_s for _, cost in chosen)
    bounds: dict[Bound, float] = {}
    for _, cost in chosen:
        bounds[cost.bound] = bounds.get(cost.bound, 0.0) + (cost.time_s / total_s if total_s else 0.0)
    values = {"chip": point.chip, "precision": scheme, **{name: str(size) for name, size in point.sizes}}
    return PointView(
        place=tuple(axis.values.index(values[axis.name]) for axis in axes),
        title=point.title,
        time_s=total_s,
        bound_share=tuple(sorted(bounds.items(), key=lambda item: -item[1])),
        macs=sum(node.macs for node, _ in chosen),
        traffic_bytes=sum(cost.traffic_bytes for _, cost in chosen),
        nodes=tuple(
            _node(index[node.node], node, cost, total_s, measured.get(node.node)) for node, cost in chosen
        ),
        roofs=roof_lines(
            point.report.roofs,
            [cost.intensity for node, cost in chosen if cost.intensity and node.macs + node.vector_ops],
            dict(point.engines),
        ),
        notices=point.report.notices,
    )


def _node(
    index: int, node: NodeCost, cost: SchemeCost, total_s: float, measured_s: float | None
) -> PointNode:
    return PointNode(
        index,
        node.engine,
        cost.scheme,
        node.macs,
        2 * node.macs + node.vector_ops,
        cost.traffic_bytes,
        cost.intensity,
        cost.bound,
        cost.time_s,
        cost.time_s / total_s if total_s else 0.0,
        measured_s,
    )


def draw_graph(graph: GraphInfo, shown: tuple[str, ...]) -> GraphPicture:
    """Place the shown nodes: each below all that it reads, as near as it goes to the first of these."""
    position = {node: index for index, node in enumerate(shown)}
    row: dict[str, int] = {}
    column: dict[str, float] = {}
    taken: dict[int, set[float]] = {}
    edges = []
    for node in graph.nodes:
        before = [graph.producer[name].id for name in reads(node) if name in graph.producer]
        row[node.id] = max((row[name] + 1 for name in before if name in row), default=0)
        wanted = next((column[name] for name in before if name in column), 0.0)
        column[node.id] = _free(wanted, taken.setdefault(row[node.id], set()))
        edges += [
            (position[name], position[node.id]) for name in before if name in position and node.id in position
        ]
    return GraphPicture(
        tuple(column.get(name) for name in shown),
        tuple(row.get(name) for name in shown),
        tuple(dict.fromkeys(edges)),
    )


def _free(wanted: float, taken: set[float]) -> float:
    """Give the free column nearest to the wanted one, and take it."""
    step = 0.0
    while True:
        for column in (wanted + step, wanted - step):
            if column not in taken:
                taken.add(column)
                return column
        step += 1.0
