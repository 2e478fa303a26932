"""The automatic cut by engine, and the balanced one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper, parser

from deploykit.stages.split.balance import _cheapest_cuts, _least_longest


def test_what_the_main_engine_lacks_goes_to_the_fallback(bench: Any, shape: Any) -> None:
    text = """g (float[4,4] x) => (float[4,4] y) {
        a = MatMul(x, x) b = Relu(a) [odd] c = Sin(b) d = MatMul(c, c) y = Relu(d) }"""
    partition = bench.split(text)
    assert shape(partition) == [
        ("npu0", "npu", ["a", "b"]),
        ("cpu1", "cpu", ["c"]),
        ("npu2", "npu", ["d", "y"]),
    ]
    assert partition.segments[1].reason == "npu lacks Sin (Sin 'odd' (writes 'c'))"
    assert partition.equality.bit_equal


def test_without_auto_a_part_runs_where_all_of_it_can(bench: Any, shape: Any) -> None:
    text = "g (float[4] x) => (float[4] y) { a = Relu(x) b = Sin(a) c = Neg(b) y = Relu(c) }"
    assert shape(bench.split(text, auto=False)) == [("cpu0", "cpu", ["a", "b", "c", "y"])]
    assert shape(bench.split(text, auto=False, at=("b",))) == [
        ("cpu0", "cpu", ["a", "b"]),
        ("npu1", "npu", ["c", "y"]),
    ]


def test_small_stretches_between_fallback_nodes_come_along(bench: Any, shape: Any) -> None:
    text = """g (float[4] x) => (float[4] y) {
        a = Sin(x) b = Relu(a) c = Cos(b) d = Neg(c) e = Sin(d) f = Relu(e) h = Neg(f) y = Relu(h) }"""
    partition = bench.split(text)
    assert shape(partition) == [("cpu0", "cpu", ["a", "b", "c", "d", "e"]), ("npu1", "npu", ["f", "h", "y"])]
    assert "2 other nodes come along" in partition.segments[0].reason
    heavy = text.replace("b = Relu(a)", "b = MatMul(a, m)").replace(
        "{\n", "<float[4,4] m = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8}> {\n"
    )
    assert [engine for _, engine, _ in shape(bench.split(heavy))] == ["cpu", "npu", "cpu", "npu"]


def test_independent_branches_share_segments(bench: Any, shape: Any) -> None:
    text = """g (float[4,4] x, float[4,4] z) => (float[4,4] y) {
        a = MatMul(x, x) b = Sin(a) c = MatMul(b, b)
        d = MatMul(z, z) e = Cos(d) f = MatMul(e, e)
        y = Add(c, f) }"""
    assert shape(bench.split(text)) == [
        ("npu0", "npu", ["a", "d"]),
        ("cpu1", "cpu", ["b", "e"]),
        ("npu2", "npu", ["c", "f", "y"]),
    ]


def test_groups_are_cut_further_and_numbered(bench: Any, shape: Any) -> None:
    text = """g (float[4,4] x) => (float[4,4] y) {
        ["s/a"] a = MatMul(x, x) ["h/b"] b = MatMul(a, a) ["h/c"] c = Sin(b) ["h/y"] y = MatMul(c, c) }"""
    partition = bench.split(text, groups={"stem": ("s/*",), "head": ("h/*",)})
    assert [(name, engine) for name, engine, _ in shape(partition)] == [
        ("stem", "npu"),
        ("head_npu0", "npu"),
        ("head_cpu1", "cpu"),
        ("head_npu2", "npu"),
    ]


def test_a_branch_with_one_operator_that_is_lacked_goes_to_the_fallback_whole(bench: Any) -> None:
    text = """g (float[4] x, bool c) => (float[4] y) { a = Relu(x) b = Neg(a) d = Relu(b)
        [if0] y = If (c) <then_branch = t () => (float[4] p) { p = Sin(d) }, else_branch = e () => (float[4] q) { q = Neg(d) }> }"""
    partition = bench.split(text)
    assert [segment.engine for segment in partition.segments] == ["npu", "cpu"]
    assert "If (If 'if0'" in partition.segments[1].reason
    assert "Sin (If 'if0'" in partition.segments[1].reason


def test_a_foreign_operator_gets_a_segment_of_its_own(bench: Any, shape: Any) -> None:
    text = """g (float[1,3,8,8] x) => (float[1,8,4,4] y) <float[1,8,4,4] b> {
        f = Sin(x) [pool] b = edge.ops.BevPool(f) r = Sin(b) y = Relu(r) }"""
    for options in ({}, {"auto": False}):
        partition = bench.split(text, **options)
        assert shape(partition)[1] == ("cpu1", "cpu", ["b"])
        assert "edge.ops.BevPool (pool)" in partition.segments[1].reason
        assert partition.equality.bit_equal, "the segments around it run and are proved"


def test_ways_out_are_offered(bench: Any) -> None:
    text = """g (float[4,4] x) => (float[K] y) <float t = {0}> { m = Greater(x, t) n = NonZero(m) ij = Transpose<perm = [1,0]>(n) y = GatherND(x, ij) }"""
    partition = bench.split(text)
    assert "a TopK of fixed size could take its place" in partition.segments[0].reason


def test_constants_go_to_their_readers(bench: Any, shape: Any) -> None:
    text = """g (float[4] x) => (float[4] y) <float[4] w = {1,2,3,4}> {
        k = Neg(w) a = Relu(x) b = Mul(a, w) y = Mul(b, k) }"""
    partition = bench.split(text, at=("b",))
    assert shape(partition) == [("npu0", "npu", ["a", "b"]), ("npu1", "npu", ["k", "y"])]
    assert partition.crossing == ("b",)


def test_constant_outputs_and_plain_weights_as_outputs(bench: Any) -> None:
    text = """g (float[4] x) => (float[4] y, float[4] priors, float[4] w, float[4] x2)
        <float[4] w = {1,2,3,4}> { a = Relu(x) priors = Mul(w, w) y = Neg(a) x2 = Identity(x) }"""
    partition = bench.split(text, at=("a",))
    assert partition.outputs == ("y", "priors", "w", "x2")
    assert partition.equality.bit_equal
    assert partition.equality.runs == 2


def test_a_network_of_constants_only_runs(bench: Any) -> None:
    partition = bench.split("g () => (float[2] y) <float[2] w = {1, 2}> { y = Neg(w) }")
    assert [(segment.graph.inputs, segment.graph.outputs) for segment in partition.segments] == [((), ("y",))]
    assert partition.equality.bit_equal


def test_a_network_without_nodes_runs(bench: Any) -> None:
    partition = bench.split("g (float[2] x) => (float[2] w) { w = Constant <value = float[2] {1, 2}> () }")
    assert partition.outputs == ("w",)
    assert [segment.graph.nodes for segment in partition.segments] == [()]
    assert partition.equality.bit_equal


def test_tied_weights_are_stored_once(bench: Any) -> None:
    proto = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (int64[1,3] ids, float[512,16] W, float[512,16] V) => (float[1,3,512] y) {
        e = Gather(W, ids) h = Relu(e) t = Transpose<perm = [1, 0]>(W) v = Transpose<perm = [1, 0]>(V) s = Add(t, v) y = MatMul(h, s) }"""
    )
    values = numpy.random.default_rng(0).standard_normal((512, 16)).astype(numpy.float32)
    proto.graph.initializer.extend(numpy_helper.from_array(values, name) for name in ("W", "V"))
    partition = bench.split(proto, at=("h",))
    (shared,) = partition.shared_weights
    assert (shared.name, shared.size_bytes, shared.segments) == ("W", 32768, ("npu0", "npu1"))
    first, second = partition.segments
    assert first.files[-1] == second.files[-1]
    assert first.files[-1].size_bytes == 32768, "V has the same values and needs no bytes of its own"
    assert first.files[0].size_bytes + second.files[0].size_bytes < 4000
    assert any("'W' (32768 bytes) is needed by npu0 and npu1" in notice for notice in partition.notices)
    assert partition.equality.bit_equal


def test_balance_evens_out_times_and_then_saves_bytes(bench: Any, shape: Any) -> None:
    text = """g (float[4] x) => (float[4] y) {
        a = Relu(x) b = Concat<axis = 0>(a, a) c = Reshape(b, s) d = Reshape(c, t) e = Gather(d, i) y = Neg(e) }"""
    text = text.replace(
        "=> (float[4] y) {",
        "=> (float[4] y) <int64[2] s = {2, 4}, int64[1] t = {8}, int64[4] i = {0, 1, 2, 3}> {",
    )
    times = {"a": 4.0, "b": 1.0, "c": 0.0, "d": 0.0, "e": 1.0, "y": 3.0}
    # 9 s in two: at best 5 + 4. The cut after b, c or d crosses 32 bytes, that after a (4 + 5) only 16.
    assert shape(bench.split(text, balance=2, times=times))[0] == ("npu0", "npu", ["a"])
    # The longest stretch of three is 4: a | b c d e | y with 16 + 16 bytes.
    assert [ids for _, _, ids in shape(bench.split(text, balance=3, times=times))] == [
        ["a"],
        ["b", "c", "d", "e"],
        ["y"],
    ]


def test_balance_takes_the_rooflines_times_by_default(bench: Any, shape: Any) -> None:
    text = """g (float[8,8] x) => (float[8,8] y) { a = MatMul(x, x) b = MatMul(a, a) c = MatMul(b, b) y = MatMul(c, c) }"""
    assert [ids for _, _, ids in shape(bench.split(text, balance=2))] == [["a", "b"], ["c", "y"]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.25]),
)
def test_balanced_cuts_are_the_best_of_all(nodes: list[tuple[int, int]], parts: int, slack: float) -> None:
    parts = min(parts, len(nodes))
    starts = numpy.concatenate([[0.0], numpy.cumsum([time for time, _ in nodes])])
    crossing = [0, *(size for _, size in nodes)]

    def longest(cuts: tuple[int, ...]) -> float:
        borders = [0, *cuts, len(nodes)]
        return max(float(starts[end] - starts[begin]) for begin, end in itertools.pairwise(borders))

    every = list(itertools.combinations(range(1, len(nodes)), parts - 1))
    least = min(map(longest, every))
    assert _least_longest(starts, parts) == least
    limit = least * (1 + slack)
    cuts = _cheapest_cuts(starts, crossing, parts, limit)
    assert longest(tuple(cuts)) <= limit + 1e-6
    allowed = [sum(crossing[cut] for cut in each) for each in every if longest(each) <= limit + 1e-9]
    assert sum(crossing[cut] for cut in cuts) == min(allowed)
