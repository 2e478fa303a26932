"""A part of a graph as a graph of its own."""

from __future__ import annotations

import onnx.parser

from deploykit.analysis.subgraph import subgraph
from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes


def graph(text: str) -> GraphInfo:
    model = normalise(
        model_from_proto(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}'), "g")
    )
    infer_shapes(model)
    return summarise(model)


DIAMOND = """g (float[4] p, float[4] x) => (float[4] y, float[4] b)
<float[4] w = {1,2,3,4}> { a = Mul(x, w)  b = Relu(a)  c = Neg(a)  y = Add(c, p) }"""


def test_inputs_are_the_graphs_own_first_and_outputs_what_others_read() -> None:
    part = subgraph(graph(DIAMOND), {0, 1}, name="first")
    assert [node.op for node in part.nodes] == ["Mul", "Relu"]
    assert part.inputs == ("x",)
    assert part.outputs == ("b", "a")
    assert {tensor.name for tensor in part.tensors} == {"x", "w", "a", "b"}
    rest = subgraph(graph(DIAMOND), {2, 3}, name="rest")
    assert rest.inputs == ("p", "a")
    assert rest.outputs == ("y",)


def test_what_a_branch_captures_is_an_input() -> None:
    text = """g (bool k, float[4] x) => (float[4] y) {
        a = Relu(x)
        y = If(k) <then_branch = t () => (float[4] u) { u = Neg(a) },
                   else_branch = e () => (float[4] v) { v = Abs(a) }> }"""
    assert subgraph(graph(text), {1}, name="branch").inputs == ("k", "a")
