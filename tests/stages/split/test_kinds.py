"""Kinds of graphs that cut badly elsewhere: each is exported, split and proved, whole and in two."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import parser

HEAD = '<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 1, "com.microsoft" : 1]>'

KINDS = {
    "scan that reads an activation and a weight from outside": """
        g (float[1,4] h0, float[3,4] xs) => (float[1,4] hn, float[3,1,4] ys) <float[1,4] w = {1,2,3,4}> {
        hh = Relu(h0)
        hn, ys = Scan<num_scan_inputs = 1, body = b (float[1,4] h, float[4] xi) => (float[1,4] h2, float[1,4] yo) {
            s = Add(h, xi) h2 = Mul(s, w) yo = Add(h2, hh) }>(h0, xs) }""",
    "loop between two others": """
        g (float[1,4] x, int64 n) => (float[1,4] y, float[4] z) <bool t = {1}, float[4] w = {1,2,3,4}> {
        a = Relu(x)
        m = Loop(n, t, a) <body = b (int64 i, bool c, float[1,4] s) => (bool c2, float[1,4] s2) {
            s2 = Mul(s, w) c2 = Identity(c) }>
        y = Neg(m) z = Neg(w) }""",
    "branch that returns a tensor from outside": """
        g (float[4] x, bool c) => (float[4] y) { a = Relu(x)
        y = If (c) <then_branch = t () => (float[4] a) { }, else_branch = e () => (float[4] q) { q = Neg(a) }> }""",
    "sequence between segments": """
        g (float[1,4] x) => (float[1,8] y) { a = Relu(x) s = SequenceConstruct(a, x) y = ConcatFromSequence<axis = 1>(s) }""",
    "sequence as output": "g (float[1,4] x) => (seq(float[1,4]) s) { a = Relu(x) s = SequenceConstruct(a, x) }",
    "onnxruntime's own operator": """
        g (float[4,4] x) => (float[4,4] y) { b = com.microsoft.FusedMatMul<transA = 1>(x, x) y = Relu(b) }""",
    "output that is an input": "g (float[2] x) => (float[2] x, float[2] y) { a = Neg(x) y = Relu(a) }",
    "optional inputs left out": """
        g (float[1,1,4,4] x) => (float[1,1,8,8] y) <float[4] sc = {1,1,2,2}> { a = Relu(x) b = Resize(a, , sc) y = Clip(b) }""",
    "optional output left out": "g (float[4] x) => (float[4] y) { a, m = Dropout(x) y = Relu(a) }",
    "unused input": "g (float[4] x, float[2] u) => (float[4] y) { a = Neg(x) y = Relu(a) }",
    "strings": "g (string[2] x) => (string[2] y) { a = Identity(x) y = Identity(a) }",
    "half precision": "g (float16[2,4] x) => (float16[2,4] y) <float16[4] w = {1,2,3,4}> { a = Mul(x, w) y = Softmax(a) }",
    "empty tensors": "g (float[0,4] x) => (float[0,4] y) { a = Neg(x) y = Relu(a) }",
    "scalars": "g (float x) => (float y) { a = Neg(x) y = Relu(a) }",
    "foreign operator of ONNX's own domain": """
        g (float[1,4] x) => (float[1,4] y) <float[1,4] b> { b = DCNv2(x) y = Relu(b) }""",
    "foreign operator last": "g (float[1,4] x) => (float[1,4] y) { a = Relu(x) y = edge.ops.Own(a) }",
    "foreign operator's output is an output": """
        g (float[1,4] x) => (float[1,4] b, float[1,4] y) { b = edge.ops.Own(x) y = Relu(b) }""",
    "foreign operators in a row": """
        g (float[1,4] x) => (float[1,4] y) <float[1,4] a, float[1,4] b, float[1,4] c> {
        a = edge.ops.Own(x) b = edge.ops.Own(a) r = Relu(b) c = edge.ops.Own(r) y = Neg(c) }""",
    "foreign operator in a branch": """
        g (float[1,4] x, bool c) => (float[1,4] y) { a = Relu(x)
        h = If (c) <then_branch = t () => (float[1,4] p) { p = edge.ops.Own(a) },
                    else_branch = e () => (float[1,4] q) { q = Neg(a) }>
        y = Relu(h) }""",
    "foreign operator that reads a computed constant": """
        g (float[1,4] x) => (float[1,4] y) <float[1,4] b, float[1,4] c, float[4] w = {1,2,3,4}> {
        k = Neg(w) b, c = edge.ops.Own(x, k) y = Add(b, c) }""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_chain_is_equal_to_the_whole(bench: Any, kind: str) -> None:
    model = bench.model(parser.parse_model(f"{HEAD} {KINDS[kind]}"))
    assert model.equality.bit_equal
    halves = min(2, len(model.graph.nodes))
    for partition in (bench.split(model), bench.split(model, balance=halves, auto=False)):
        assert partition.equality.bit_equal
        assert partition.outputs == model.graph.outputs


def test_a_network_of_foreign_operators_only_is_kept_unproved(bench: Any) -> None:
    partition = bench.split(
        parser.parse_model(f"{HEAD} g (float[4] x) => (float[4] y) {{ y = edge.ops.Own(x) }}")
    )
    assert partition.equality is None
    assert [[node.op for node in segment.graph.nodes] for segment in partition.segments] == [["Own"]]
    assert any("not proved equal to the whole" in notice for notice in partition.notices)
