"""The page of a cost grid: what its points say, where nodes stand, and that a browser shows what is chosen."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deploykit.artifacts.cost_grid import CostGrid, GridPoint, MeasuredNode
from deploykit.artifacts.costs import CostReport, NodeCost, Roof, SchemeCost
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.reports.explorer import write_explorer
from deploykit.reports.views.explorer import PointView, draw_graph, explorer_view


def _node(name: str, op: str, *inputs: str) -> NodeInfo:
    return NodeInfo(id=name, name=name, domain="", op=op, inputs=inputs, outputs=(name,), attributes=())


GRAPH = GraphInfo(
    "toy",
    17,
    ("x",),
    ("sum",),
    (),
    (
        _node("stem", "Conv", "x"),
        _node("left<b>", "Conv", "stem"),
        _node("right", "Relu", "stem"),
        _node("sum", "Add", "left<b>", "right"),
    ),
)


def _report(chip: str, batch: int, schemes: dict[str, float]) -> CostReport:
    """Each node has 100 MACs (none for the others) and 50 bytes an item, a byte taking 1 us."""
    nodes = []
    for node in GRAPH.nodes:
        macs = 100 * batch if node.op == "Conv" else 0
        costs = tuple(
            SchemeCost(
                name, 10, 20 * batch, 20 * batch, 2 * macs / 50, "memory" if macs else "compute", time_s
            )
            for name, time_s in schemes.items()
        )
        nodes.append(NodeCost(node.id, node.op, "s", "npu", macs, 0, 10, 20 * batch, 20 * batch, costs))
    roofs = tuple(Roof("npu", name, 1e9, 1e8, 10.0, "made up") for name in schemes)
    return CostReport("toy", chip, tuple(nodes), roofs, ("the bandwidth is a guess",))


def _grid(**more: object) -> CostGrid:
    chips = {"small": {"w8a8": 1e-6}, "large": {"w8a8": 2e-7, "float16": 4e-7}}
    points = tuple(
        GridPoint(chip, chip.title(), (("npu", 2),), (("batch", batch),), _report(chip, batch, schemes))
        for chip, schemes in chips.items()
        for batch in (1, 4)
    )
    return CostGrid("toy", GRAPH, points, **more)  # type: ignore[arg-type]  # `measured` alone


def _at(grid: CostGrid, *place: int) -> PointView:
    return next(point for point in explorer_view(grid).points if point.place == place)


def test_the_axes_are_chip_precision_and_sizes() -> None:
    view = explorer_view(_grid())
    assert [(axis.name, axis.values) for axis in view.axes] == [
        ("chip", ("small", "large")),
        ("precision", ("w8a8", "float16")),
        ("batch", ("1", "4")),
    ]
    # the small chip has one precision, the large one two: (1 + 2) x 2 batches
    assert len({point.place for point in view.points}) == len(view.points) == 6


def test_a_point_is_the_sum_of_its_nodes() -> None:
    point = _at(_grid(), 1, 1, 1)
    assert point.time_s == pytest.approx(4 * 4e-7)
    assert point.macs == 2 * 400
    assert dict(point.bound_share) == pytest.approx({"memory": 0.5, "compute": 0.5})
    assert [node.scheme for node in point.nodes] == ["float16"] * 4
    assert point.roofs[0].count == 2


def test_measured_times_stand_at_their_chip_and_precision() -> None:
    grid = _grid(measured=(MeasuredNode("stem", 5e-6, "large", "w8a8"), MeasuredNode("sum", 3e-6)))
    assert [node.measured_s for node in _at(grid, 1, 0, 0).nodes] == [5e-6, None, None, 3e-6]
    assert [node.measured_s for node in _at(grid, 0, 0, 0).nodes] == [None, None, None, 3e-6]


def test_a_node_stands_below_what_it_reads_and_beside_its_sisters() -> None:
    picture = draw_graph(GRAPH, ("stem", "left<b>", "right", "sum"))
    assert picture.rows == (0, 1, 1, 2)
    assert len({picture.columns[1], picture.columns[2]}) == 2
    assert picture.edges == ((0, 1), (0, 2), (1, 3), (2, 3))


def test_names_from_a_model_are_escaped() -> None:
    text = write_explorer(explorer_view(_grid()))
    assert "left<b>" not in text
    assert write_explorer(explorer_view(_grid())) == text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")
@pytest.mark.parametrize(
    ("address", "point", "words"),
    [
        ("", 0, "4.00 µs"),
        ("#1.1.1/2", 5, 'data-node="2" class="marked"'),
        ("#0.1.0", -1, "This chip has no engine with that precision"),
    ],
)
def test_a_browser_shows_the_choice_of_the_address(
    address: str, point: int, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "costs.html"
    file.write_text(write_explorer(explorer_view(_grid())), encoding="utf-8")
    switches = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    switches += " --disable-sync --disable-component-update --virtual-time-budget=8000"
    switches += " --enable-logging=stderr --v=0 --dump-dom"
    command = ["chromium", *switches.split(), f"--user-data-dir={tmp_path / 'p'}", file.as_uri() + address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert f'data-point="{point}" data-ready="yes"' in done.stdout
    assert words in done.stdout
    assert "CONSOLE" not in done.stderr
