"""Graphs inside graphs, and everything that is not known said at once."""

from __future__ import annotations

from typing import Any

import pytest

from deploykit.analysis.graph_work import CustomCost, WorkSettings, branch_works, graph_works
from deploykit.core.errors import InputError

IF = """g (bool c, float[4,5] x, float[5,6] w) => (float[4,6] y) {
    y = If(c) <
        then_branch = t () => (float[4,6] a) { a = MatMul(x, w) },
        else_branch = e () => (float[4,6] b) { m = MatMul(x, w)  b = Relu(m) }
    >
}"""

LOOP = """g (int64 n, bool go, float[4,4] h) => (float[4,4] y) {
    y = Loop(n, go, h) <
        body = b (int64 i, bool c, float[4,4] s) => (bool d, float[4,4] t) {
            d = Identity(c)
            t = MatMul(s, s)
        }
    >
}"""

SCAN = """g (float[4] h, float[7,4] xs) => (float[4] last, float[7,4] ys) {
    last, ys = Scan<num_scan_inputs = 1,
        body = b (float[4] s, float[4] x) => (float[4] t, float[4] o) { t = Add(s, x)  o = Identity(t) }
    >(h, xs)
}"""


def test_an_if_counts_its_costlier_branch(graph_of: Any) -> None:
    (work,) = graph_works(graph_of(IF))
    assert (work.macs, work.vector_ops) == (4 * 5 * 6, 24)
    assert work.read_elements == 20 + 30 + 24  # of outer tensors and of the branch's own


def test_both_branches_of_an_if_can_be_told(graph_of: Any) -> None:
    graph = graph_of(IF)
    (branches,) = branch_works(graph).values()
    assert [(name, work.macs, work.vector_ops) for name, work in branches] == [
        ("then_branch", 120, 0),
        ("else_branch", 120, 24),
    ]
    assert branch_works(graph_of(SCAN)) == {}


def test_a_loop_runs_as_often_as_the_user_says(graph_of: Any) -> None:
    graph = graph_of(LOOP)
    with pytest.raises(
        InputError, match=r"nobody knows how often Loop runs its body; give a bound under analyze.trip_counts"
    ):
        graph_works(graph)
    (work,) = graph_works(graph, settings=WorkSettings(trip_counts={graph.nodes[0].id: 10}))
    assert work.macs == 10 * 64


def test_a_loop_with_a_constant_count_needs_no_help(graph_of: Any) -> None:
    text = LOOP.replace("int64 n, ", "").replace(
        "{\n    y =", "{\n    n = Constant<value_int = 3>()\n    y ="
    )
    assert graph_works(graph_of(text))[-1].macs == 3 * 64


def test_a_scan_runs_once_per_slice(graph_of: Any) -> None:
    (work,) = graph_works(graph_of(SCAN))
    assert work.vector_ops == 7 * 4


def test_all_that_is_unknown_is_said_at_once(graph_of: Any) -> None:
    graph = graph_of(
        "g (float[N,4] x, float[3,4] z) => (p, q, r) { p = Relu(x) q = my.Voxelize(z) r = my.Splat(z) }",
        domain="my",
    )
    with pytest.raises(InputError) as caught:
        graph_works(graph)
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == 3
    assert said[0].startswith(
        "p: Relu needs the size of 'x', 'p', which is not known; bind the symbolic dims"
    )
    assert said[1].startswith(
        "q: no cost is known for operator my:Voxelize; say what it costs under analyze.custom_costs"
    )


def test_the_user_may_say_what_an_operator_costs(graph_of: Any) -> None:
    graph = graph_of("g (float[3,4] z) => (float[3,4] q) { q = my.Voxelize(z) }", domain="my")
    settings = WorkSettings(custom_costs={"my:Voxelize": CustomCost(macs=7, vector_ops=5)})
    (work,) = graph_works(graph, settings=settings)
    assert (work.macs, work.vector_ops, work.read_elements, work.write_elements) == (7, 5, 12, 12)


def test_what_follows_from_weights_alone_is_done_beforehand(graph_of: Any) -> None:
    """The int8 weight of a quantized convolution is read once, as a weight; dequantizing it is free."""
    text = """g (float[1,4,6,6] x, int8[8,4,1,1] q, float s) => (y) {
        w = DequantizeLinear(q, s)
        y = Conv(x, w)
    }"""
    dequantize, conv = graph_works(graph_of(text, weights=("q", "s")))
    assert (dequantize.vector_ops, dequantize.reads) == (0, ())
    assert (conv.weight_elements, conv.read_elements) == (32, 144)
