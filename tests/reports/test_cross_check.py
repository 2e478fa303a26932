"""Our predictions beside a compiler's report, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from deploykit.artifacts.binaries import Binary, BinarySet, CompileReport, VendorBuffer, VendorLayer
from deploykit.artifacts.costs import CostReport, NodeCost, SchemeCost
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.core.blob import Blob
from deploykit.reports.html import write_html
from deploykit.reports.views import run_view
from deploykit.reports.views.cross_check import cross_check_view
from deploykit.reports.views.numbers import rank_correlation


def node(op: str, output: str, *inputs: str) -> NodeInfo:
    return NodeInfo(output, op, "", inputs, (output,), name=output)


GRAPH = GraphInfo(
    "net",
    17,
    ("x",),
    ("e",),
    (),
    (
        node("Conv", "a", "x"),
        node("Relu", "b", "a"),
        node("Conv", "c", "b"),
        node("Add", "d", "c", "b"),
        node("Erf", "e", "d"),
    ),
)


def cost(name: str, op: str, time_us: float, moved: int) -> NodeCost:
    scheme = SchemeCost("w8a8", 10, moved - 10, 0, 1.0, "memory", time_us * 1e-6)
    return NodeCost(name, op, "net", "npu", 100, 0, 10, 10, 10, (scheme,))


COSTS = CostReport(
    "net",
    "chip",
    (
        cost("a", "Conv", 30, 100),
        cost("b", "Relu", 0, 0 + 10),
        cost("c", "Conv", 10, 50),
        cost("d", "Add", 4, 20),
        cost("e", "Erf", 1, 10),
    ),
    (),
)
LAYERS = (
    VendorLayer(
        "b", "Conv2D", ("b",), "NPU", cycles=10_000, macs=100, terms=(("compute", 10_000), ("dram", 400))
    ),
    VendorLayer("b", "Relu", ("b",), "NPU", cycles=0),
    VendorLayer("c", "Conv2D", ("c",), "NPU", cycles=9_000, macs=100),
    VendorLayer("d", "Add", ("d",), "NPU", cycles=0),  # computed on the way out of c
    VendorLayer("e", "Erf", ("e",), "CPU", fallback=True),
)
REPORT = CompileReport(
    LAYERS, (VendorBuffer("b", 64, 36, "Sram", 0, 2),), cycles=19_000, time_s=19e-6, dram_bytes=90
)


def compiled(report: CompileReport = REPORT) -> NetworkResults:
    segment = Segment("net", (), GRAPH, "npu", "test")
    partition = Partition("net", ("x",), ("e",), (segment,), (), None)
    binaries = BinarySet(
        "net", "vela", "5.2.0", "u65", (Binary("net", (Blob("0" * 64, "net.bin", 10),), report, 1.0),)
    )
    return NetworkResults("net", partition=partition, costs=COSTS, binaries=binaries)


def test_nodes_belong_to_the_layer_that_computes_them() -> None:
    view = cross_check_view(compiled())
    assert view is not None
    (segment,) = view.segments
    first, second = segment.layers
    assert (first.tensor, first.ops, first.theirs_cycles) == ("b", ("Conv", "Relu"), 10_000)
    assert (second.ops, second.theirs_ops) == (("Conv", "Add"), ("Conv2D", "Add"))
    assert second.theirs_s == pytest.approx(9e-6)
    assert second.ours_s == pytest.approx(14e-6)
    assert segment.fallback == ("e",)
    assert segment.uncompared == ("e",)
    assert segment.theirs_arena_bytes == 100


def test_a_layer_that_differs_twofold_has_a_reason_and_others_have_none() -> None:
    view = cross_check_view(compiled())
    assert view is not None
    first, second = view.segments[0].layers
    assert first.ratio == pytest.approx(3.0)
    assert first.reason == (
        "ours waits for off-chip memory, theirs for arithmetic (cycles: arithmetic 10,000, off-chip memory 400)"
    )
    assert second.reason == ""


def test_a_layer_that_takes_no_time_here_runs_within_the_one_before() -> None:
    layers = (*LAYERS[:3], dataclasses.replace(LAYERS[3], cycles=2_000), LAYERS[4])
    costs = dataclasses.replace(
        COSTS, nodes=tuple(cost("d", "Add", 0, 20) if item.node == "d" else item for item in COSTS.nodes)
    )
    found = dataclasses.replace(compiled(dataclasses.replace(REPORT, layers=layers)), costs=costs)
    view = cross_check_view(found)
    assert view is not None
    assert [row.ops for row in view.segments[0].layers] == [("Conv", "Relu"), ("Conv", "Add")]
    assert view.segments[0].layers[1].theirs_cycles == 11_000


def test_a_report_without_times_gives_an_order_alone() -> None:
    view = cross_check_view(compiled(dataclasses.replace(REPORT, time_s=None)))
    assert view is not None
    assert view.theirs_s is None
    assert all(row.ratio is None and row.theirs_cycles for row in view.segments[0].layers)


def test_nothing_is_compared_where_nothing_was_compiled() -> None:
    assert cross_check_view(dataclasses.replace(compiled(), binaries=None)) is None
    assert cross_check_view(dataclasses.replace(compiled(), costs=None)) is None


def test_rank_correlation_by_hand() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(0.8)  # 1 - 6 * 2 / (4 * 15)
    assert rank_correlation([1, 1, 2], [5, 5, 9]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_the_page_has_the_layers(results: RunResults) -> None:
    page = write_html(run_view(dataclasses.replace(results, networks=(compiled(),))))
    assert "Beside the vendor's compiler" in page
    assert "theirs for arithmetic" in page
