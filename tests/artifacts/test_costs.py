"""Sums over segments."""

from __future__ import annotations

from deploykit.artifacts.costs import Bound, CostReport, NodeCost, SchemeCost, SegmentTotal


def cost(scheme: str, weight: int, read: int, write: int, bound: Bound, time_s: float) -> SchemeCost:
    return SchemeCost(scheme, weight, read, write, 1.0, bound, time_s)


def node(name: str, segment: str, engine: str, macs: int, *schemes: SchemeCost) -> NodeCost:
    return NodeCost(name, "Conv", segment, engine, macs, 0, 0, 0, 0, schemes)


HALF = cost("float16", 2, 4, 6, "compute", 8.0)
REPORT = CostReport(
    "net",
    "toy",
    (
        node(
            "a",
            "one",
            "npu",
            10,
            cost("w8a8", 1, 2, 3, "compute", 4.0),
            cost("float16", 2, 4, 6, "compute", 8.0),
        ),
        node(
            "b",
            "one",
            "npu",
            20,
            cost("w8a8", 5, 5, 5, "memory", 5.0),
            cost("float16", 9, 9, 9, "memory", 1.0),
        ),
        node("c", "two", "cpu", 0, cost("float32", 0, 7, 7, "overhead", 0.5)),
    ),
    (),
)


def test_segments_sum_their_nodes_at_the_planned_schemes() -> None:
    assert REPORT.segment_totals({"a": "float16", "b": "w8a8", "c": "w8a8"}) == (
        SegmentTotal("one", "npu", 30, 7, 27, 13.0, "compute"),
        SegmentTotal("two", "cpu", 0, 0, 14, 0.5, "overhead"),
    )


def test_without_a_plan_every_node_is_at_its_first_scheme() -> None:
    assert REPORT.segment_totals({})[0] == SegmentTotal("one", "npu", 30, 6, 21, 9.0, "memory")
