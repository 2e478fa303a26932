"""One network's costs over chips and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.graph import GraphInfo


@dataclass(frozen=True)
class GridPoint:
    """The costs on one chip with one choice of sizes (the symbolic dimensions and their values).

    `engines` gives the number of engines of each kind.
    """

    chip: str
    title: str
    engines: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[str, int], ...]
    report: CostReport


@dataclass(frozen=True)
class MeasuredNode:
    """What a profiler on the board said of a node; `chip` and `scheme` may be "": all of them."""

    node: str
    time_s: float
    chip: str = ""
    scheme: str = ""


@dataclass(frozen=True)
class CostGrid:
    """Every combination of chips and sizes; `graph` says how the nodes hang together."""

    network: str
    graph: GraphInfo
    points: tuple[GridPoint, ...]
    measured: tuple[MeasuredNode, ...] = ()
