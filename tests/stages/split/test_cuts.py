"""Cuts at tensors and by groups: parts follow dependency, and every refusal says why."""

from __future__ import annotations

from typing import Any

import pytest

from deploykit.core.errors import InputError

CHAIN = """g (float[4] x) => (float[4] y) {
    ["stem/a"] a = Relu(x) ["stem/b"] b = Neg(a) ["head/c"] c = Mul(b, b) ["head/y"] y = Neg(c) }"""
IF = """g (float[2,4] x, bool cond) => (float[2,4] y) <float[4,4] W1 = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7}, float[4,4] W2 = {7,6,5,4,3,2,1,9,8,7,6,5,4,3,2,1}> {
    a = MatMul(x, W1) h = Relu(a)
    [if0] y = If (cond) <
        then_branch = th () => (float[2,4] t) { m = MatMul(h, W2) t = Relu(m) },
        else_branch = el () => (float[2,4] e) { n = MatMul(h, W2) e = Neg(n) }> }"""


def test_each_cut_closes_a_segment(bench: Any, shape: Any) -> None:
    partition = bench.split(CHAIN, at=("b", "a"))  # the order of the cuts is the graph's
    assert shape(partition) == [("npu0", "npu", ["a"]), ("npu1", "npu", ["b"]), ("npu2", "npu", ["c", "y"])]
    assert partition.crossing == ("a", "b")
    assert partition.equality is not None
    assert partition.equality.bit_equal


def test_a_cut_set_closes_one_segment(bench: Any, shape: Any) -> None:
    text = """g (float[4] x, float[4] z) => (float[4] y) {
        a = Relu(x) b = Neg(z) c = Add(a, b) y = Neg(c) }"""
    assert shape(bench.split(text, at=(("a", "b"),))) == [
        ("npu0", "npu", ["a", "b"]),
        ("npu1", "npu", ["c", "y"]),
    ]
    assert [ids for _, _, ids in shape(bench.split(text, at=("a", "b")))] == [["a"], ["b"], ["c", "y"]]


def test_a_cut_follows_dependency_not_position(bench: Any, shape: Any) -> None:
    text = """g (float[4] x) => (float[4] y, float[4] z) { y = Neg(b) z = Neg(x) a = Relu(x) b = Neg(a) }"""
    assert shape(bench.split(text, at=("a",))) == [("npu0", "npu", ["a"]), ("npu1", "npu", ["z", "b", "y"])]


def test_an_output_that_is_read_on_is_output_and_input(bench: Any) -> None:
    partition = bench.split(
        "g (float[4] x) => (float[4] f, float[4] y) { f = Relu(x) y = Neg(f) }", at=("f",)
    )
    first, second = partition.segments
    assert (first.graph.outputs, second.graph.inputs, second.graph.outputs) == (("f",), ("f",), ("y",))
    assert partition.outputs == ("f", "y")


def test_what_a_branch_captures_comes_along(bench: Any) -> None:
    partition = bench.split(IF, at=("h",))
    assert partition.segments[1].graph.inputs == ("cond", "h")
    assert [tensor.name for tensor in bench.open(partition, "cpu1").proto.graph.initializer] == ["W2"]
    assert partition.equality.bit_equal


def test_a_branch_that_reads_an_activation_of_an_early_segment(bench: Any) -> None:
    text = """g (float[4] x, bool c) => (float[4] y) {
        a = Relu(x) b = Neg(a) d = Mul(b, b)
        y = If (c) <then_branch = t () => (float[4] p) { p = Add(a, d) }, else_branch = e () => (float[4] q) { q = Neg(d) }> }"""
    partition = bench.split(text, at=("a", "b"))
    assert partition.segments[0].graph.outputs == ("a",)
    assert "a" in partition.segments[-1].graph.inputs


def test_names_that_cannot_be_cut_at_are_refused_all_at_once(bench: Any) -> None:
    with pytest.raises(InputError) as caught:
        bench.split(IF, at=("x", "W1", "m", "hh", ("h", "n")))
    faults = [str(fault) for fault in caught.value.faults]
    assert "'x': this is an input" in faults[0]
    assert "'W1': this is a weight" in faults[1]
    assert "'m': this tensor lives inside then_branch of If 'if0' (writes 'y')" in faults[2]
    assert "'hh': the network has no such tensor; did you mean 'h'?" in faults[3]
    assert "'n': this tensor lives inside else_branch of If 'if0'" in faults[4]


def test_a_tensor_inside_a_loop_in_a_branch_names_both(bench: Any) -> None:
    text = """g (float[4] x, bool c, int64 n) => (float[4] y) {
        [choose] y = If (c) <then_branch = t () => (float[4] p) {
            [again] p = Loop (n, , x) <body = b (int64 i, bool k, float[4] s) => (bool k2, float[4] s2) { deep = Neg(s) s2 = Relu(deep) k2 = Identity(k) }>
        }, else_branch = e () => (float[4] q) { q = Neg(x) }> }"""
    with pytest.raises(InputError, match=r"body of Loop 'again' .*in then_branch of If 'choose'"):
        bench.split(text, at=("deep",))


def test_groups_name_their_segments_and_take_unmatched_nodes_along(bench: Any, shape: Any) -> None:
    text = """g (float[4] x) => (float[4] y) {
        [pre] p = Relu(x) ["stem/a"] a = Relu(p) [loose] b = Neg(a) ["head/c"] c = Mul(b, b) [end] y = Neg(c) }"""
    partition = bench.split(text, groups={"stem": ("stem/*",), "head": ("head/*",)})
    assert shape(partition) == [("stem", "npu", ["p", "a", "b"]), ("head", "npu", ["c", "y"])]
    assert "group 'stem'" in partition.segments[0].reason


def test_groups_are_put_in_the_order_of_dependency(bench: Any, shape: Any) -> None:
    partition = bench.split(CHAIN, groups={"head": ("head/*",), "stem": ("stem/*",)})
    assert [name for name, _, _ in shape(partition)] == ["stem", "head"]


def test_groups_match_ids_too(bench: Any, shape: Any) -> None:
    assert [name for name, _, _ in shape(bench.split(CHAIN, groups={"s": ("a", "b"), "h": ("[cy]",)}))] == [
        "s",
        "h",
    ]


def test_faults_of_groups_name_nodes_and_patterns(bench: Any) -> None:
    with pytest.raises(InputError) as caught:
        bench.split(CHAIN, groups={"s": ("stem/*", "stme/b"), "h": ("*/y", "stem/b")})
    faults = [str(fault) for fault in caught.value.faults]
    assert "group 's': no node matches 'stme/b'; did you mean 'stem/b'" in faults[0]
    assert "Neg 'stem/b' (writes 'b') matches 'stem/b', but belongs to 's' already" in faults[1]


def test_groups_that_need_each_other_are_refused_with_the_nodes(bench: Any) -> None:
    with pytest.raises(InputError) as caught:
        bench.split(CHAIN, groups={"odd": ("stem/a", "head/c"), "even": ("stem/b", "head/y")})
    text = str(caught.value)
    assert "Mul 'head/c' (writes 'c') needs Neg 'stem/b' (writes 'b') of 'even'" in text
    assert "of 'odd'" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": ("a",), "balance": 2}, "at and balance are given together"),
        ({"groups": {"a/b": ("*",)}}, "segment names may hold letters"),
        ({"balance": -1}, "-1 is no number of segments"),
        ({"balance": 9}, "the network has 4 nodes"),
    ],
)
def test_params_that_make_no_sense_are_refused(bench: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bench.split(CHAIN, **options)


def test_metadata_is_in_every_segment(bench: Any) -> None:
    from onnx import parser

    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17], producer_name: "maker"> {CHAIN}')
    proto.metadata_props.add(key="stride", value="8")
    proto.doc_string = "calib v1"
    partition = bench.split(proto, at=("b",))
    for segment in partition.segments:
        written = bench.open(partition, segment.name).proto
        assert (written.producer_name, written.doc_string) == ("maker", "calib v1")
        assert written.metadata_props[0].value == "8"
        assert written.ir_version == 8
    assert [node.name for node in partition.segments[1].graph.nodes] == ["head/c", "head/y"]
