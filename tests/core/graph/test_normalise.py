"""One form for every model, and clear refusals of what has none."""

from __future__ import annotations

import itertools

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper, parser

from deploykit.core.errors import InputError
from deploykit.core.graph.index import all_graphs, captured, node_id
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.runtime import open_session, run_session

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'


def normal(text: str | ModelProto, *, freeze: bool = True) -> OnnxModel:
    proto = parser.parse_model(f"{HEAD} {text}") if isinstance(text, str) else text
    return normalise(OnnxModel(proto, "m.onnx"), freeze=freeze)


def names(graph: GraphProto) -> list[str]:
    return [node_id(node) for node in graph.node]


def refusal(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        normal(text)
    return [str(fault) for fault in caught.value.faults]


def test_constant_nodes_of_every_kind_become_weights() -> None:
    graph = normal(
        """g (float[2] x) => (float[2] y, int64[2] k, float s) {
            a = Constant <value = float[2] {1, 2}> ()
            k = Constant <value_ints = [3, 4]> ()
            s = Constant <value_float = 5.5> ()
            y = Add(x, a)
        }"""
    ).proto.graph
    assert names(graph) == ["y"]
    values = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer}
    assert values == {"a": [1, 2], "k": [3, 4], "s": 5.5}
    assert [value.name for value in graph.output] == ["y", "k", "s"]


def test_constant_nodes_inside_a_branch_become_its_own_weights() -> None:
    model = normal(
        """g (float[2] x, bool c) => (float[2] y) {
            y = If (c) <then_branch = t () => (float[2] p) { a = Constant <value = float[2] {1, 2}> () p = Add(x, a) },
                        else_branch = e () => (float[2] q) { q = Neg(x) }>
        }"""
    )
    inner = {graph.name: graph for graph in all_graphs(model.proto.graph)}
    assert [tensor.name for tensor in inner["t"].initializer] == ["a"]
    assert names(inner["t"]) == ["p"]


def test_weights_that_are_listed_as_inputs_are_frozen_or_kept() -> None:
    text = "g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }"
    proto = parser.parse_model(f"{HEAD} {text}")
    frozen = normal(proto)
    assert [value.name for value in frozen.proto.graph.input] == ["x"]
    assert frozen.notices == ["weights that were listed as inputs are now fixed: w"]
    kept = normal(proto, freeze=False)
    assert [value.name for value in kept.proto.graph.input] == ["x", "w"]


def test_readers_of_an_identity_of_a_weight_read_the_weight() -> None:
    graph = normal(
        """g (float[2] x) => (float[2] y, float[2] w3) <float[2] w = {1, 2}> {
            w1 = Identity(w)
            w2 = Identity(w1)
            w3 = Identity(w2)
            a = Add(x, w2)
            y = Mul(a, w1)
        }"""
    ).proto.graph
    assert [list(node.input) for node in graph.node] == [["w"], ["x", "w"], ["a", "w"]]
    assert names(graph) == ["w3", "a", "y"], "an output's own Identity stays"


def test_an_identity_of_a_weight_is_seen_through_inside_a_branch_too() -> None:
    model = normal(
        """g (float[2] x, bool c) => (float[2] y) <float[2] w = {1, 2}> {
            w1 = Identity(w)
            y = If (c) <then_branch = t () => (float[2] p) { p = Add(x, w1) },
                        else_branch = e () => (float[2] q) { w1 = Neg(x) q = Add(x, w1) }>
        }"""
    )
    inner = {graph.name: graph for graph in all_graphs(model.proto.graph)}
    assert list(inner["t"].node[0].input) == ["x", "w"]
    assert list(inner["e"].node[1].input) == ["x", "w1"], "this w1 is the branch's own"


def test_nodes_are_sorted_stably_and_named_after_their_outputs() -> None:
    model = normal(
        """g (float[2] x) => (float[2] y, float[2] z) {
            y = Abs(b)
            a = Relu(x)
            z = Neg(x)
            b = Exp(a)
        }"""
    )
    assert names(model.proto.graph) == ["a", "z", "b", "y"]
    assert [node.name for node in model.proto.graph.node] == ["a", "z", "b", "y"]
    assert "sorted" in model.notices[0]


def test_what_a_branch_reads_from_outside_counts_when_sorting() -> None:
    model = normal(
        """g (float[2] x, bool c) => (float[2] y) {
            y = If (c) <then_branch = t () => (float[2] p) { p = Add(x, q) q = Neg(h) },
                        else_branch = e () => (float[2] r) { r = Relu(x) }>
            h = Exp(x)
        }"""
    )
    assert names(model.proto.graph) == ["h", "y"]
    inner = {graph.name: graph for graph in all_graphs(model.proto.graph)}
    assert names(inner["t"]) == ["q", "p"]
    assert captured(inner["t"]) == ("h", "x")
    data = {"x": numpy.array([1, 2], numpy.float32), "c": numpy.array(True)}
    result = run_session(open_session(model.proto.SerializeToString()), data)[0]
    assert numpy.allclose(result, data["x"] - numpy.exp(data["x"]))


@given(st.permutations(range(6)))
def test_any_order_of_the_nodes_computes_the_same(order: list[int]) -> None:
    lines = ["a = Relu(x)", "b = Exp(a)", "c = Neg(a)", "d = Add(b, c)", "e = Abs(x)", "y = Mul(d, e)"]
    text = "g (float[3] x) => (float[3] y) { " + "\n".join(lines[at] for at in order) + " }"
    graph = normal(text).proto.graph
    position = {name: at for at, name in enumerate(names(graph))}
    assert all(
        position[name] < at for at, node in enumerate(graph.node) for name in node.input if name in position
    )
    assert sorted(position) == ["a", "b", "c", "d", "e", "y"]


def test_empty_and_repeated_names_become_unique_ones() -> None:
    model = normal(
        """g (float[2] x) => (float[2] y) {
            a = Relu(x)
            [n] b = Abs(a)
            [n] c = Exp(b)
            [c] y = Neg(c)
        }"""
    )
    assert [node.name for node in model.proto.graph.node] == ["a", "n", "c", "y"]
    assert any("several nodes share a name (n" in notice for notice in model.notices)
    open_session(model.proto.SerializeToString())


def test_ids_in_sibling_branches_differ_though_their_tensors_share_names() -> None:
    model = normal(
        """g (float[2] x, bool c) => (float[2] y) {
            y = If (c) <then_branch = t () => (float[2] p) { p = Neg(x) },
                        else_branch = e () => (float[2] p) { p = Abs(x) }>
        }"""
    )
    nodes = [node.name for graph in all_graphs(model.proto.graph) for node in graph.node]
    assert sorted(nodes) == ["y", "y/else_branch/p", "y/then_branch/p"]


def test_local_functions_are_written_out() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        g (float[2] x) => (float[2] y) { a = own.twice(x) y = own.twice(a) }
        <opset_import: ["" : 17], domain: "own"> twice (v) => (w) { two = Constant <value = float {2}> () w = Mul(v, two) }"""
    model = normal(parser.parse_model(text))
    assert not model.proto.functions
    assert [node.op_type for node in model.proto.graph.node] == ["Mul", "Mul"]
    assert model.notices == ["the model's own functions were written out in the graph: twice"]
    result = run_session(open_session(model.proto.SerializeToString()), {"x": numpy.ones(2, numpy.float32)})
    assert result[0].tolist() == [4, 4]


def test_what_no_output_depends_on_is_left_out_with_a_notice() -> None:
    model = normal("g (float[2] x) => (float[2] y) { a = Exp(x) b = Neg(a) y = Abs(x) }")
    assert names(model.proto.graph) == ["y"]
    assert "2 nodes that no output depends on were left out: Exp" in model.notices[0]


def test_metadata_stays_and_the_ir_version_is_the_lowest_that_does() -> None:
    proto = parser.parse_model(f"{HEAD} g (float[2] x) => (float[2] y) {{ y = Relu(x) }}")
    proto.ir_version, proto.doc_string, proto.producer_name = 11, "calib v1", "maker"
    proto.metadata_props.add(key="names", value="{0:'car'}")
    result = normal(proto).proto
    assert (result.ir_version, result.doc_string, result.producer_name) == (8, "calib v1", "maker")
    assert [(entry.key, entry.value) for entry in result.metadata_props] == [("names", "{0:'car'}")]
    proto.graph.initializer.append(helper.make_tensor("w4", TensorProto.INT4, [2], [1, -1]))
    assert normal(proto).proto.ir_version == 10, "int4 came with IR version 10"


def test_a_tensor_written_twice_is_refused_before_anything_else() -> None:
    assert refusal("g (float[2] x) => (float[2] y) { [n1] t = Relu(x) [n2] t = Neg(x) y = Abs(t) }") == [
        "tensor 't': not SSA: t written by Relu (n1) and Neg (n2); give one of them another name, "
        "or export the model again"
    ]
    assert "a graph input and Relu" in refusal("g (float[2] x) => (float[2] y) { x = Relu(x) y = Abs(x) }")[0]
    weight = "g (float[2] x) => (float[2] w) <float[2] w = {1, 2}> { w = Relu(x) }"
    assert "an initializer and Relu" in refusal(weight)[0]


def test_a_tensor_written_twice_inside_a_branch_names_the_branch() -> None:
    text = """g (float[2] x, bool c) => (float[2] y) {
        [if0] y = If (c) <then_branch = t () => (float[2] p) { p = Neg(x) p = Abs(x) },
                          else_branch = e () => (float[2] q) { q = Abs(x) }> }"""
    assert "inside If 'if0' (writes 'y'), then_branch" in refusal(text)[0]


def test_reads_of_nothing_name_node_tensor_and_the_nearest_name() -> None:
    faults = refusal("g (float[2] x) => (float[2] y, float[2] z) { feature = Relu(x) y = Abs(featur) }")
    assert faults == [
        "node Abs (writes 'y'): it reads 'featur', which nothing writes; did you mean 'feature'?",
        "output 'z': nothing writes it; export the model again",
    ]


def test_a_cycle_is_refused_with_its_nodes() -> None:
    (fault,) = refusal("g (float[2] x) => (float[2] y) { a = Add(x, c) b = Neg(a) c = Abs(b) y = Exp(c) }")
    assert "depends on itself" in fault
    assert all(name in fault for name in ("'a'", "'b'", "'c'"))
    through_branch = """g (float[2] x, bool k) => (float[2] y) {
        y = If (k) <then_branch = t () => (float[2] p) { p = Neg(b) }, else_branch = e () => (float[2] q) { q = Abs(x) }>
        b = Exp(y) }"""
    assert "depends on itself" in refusal(through_branch)[0]


def test_an_output_listed_twice_and_an_empty_graph_are_refused() -> None:
    assert "lists it 2 times" in refusal("g (float[2] x) => (float[2] y, float[2] y) { y = Relu(x) }")[0]
    with pytest.raises(InputError, match="the graph is empty"):
        normal(ModelProto())


@given(st.lists(st.sampled_from(["", "n", "a", "b", "y"]), min_size=3, max_size=3))
def test_names_are_unique_whatever_they_were(given_names: list[str]) -> None:
    proto = parser.parse_model(
        f"{HEAD} g (float[2] x) => (float[2] y) {{ a = Relu(x) b = Exp(a) y = Neg(b) }}"
    )
    for node, name in zip(proto.graph.node, given_names, strict=True):
        node.name = name
    found = [node.name for node in normal(proto).proto.graph.node]
    assert all(found)
    assert all(left != right for left, right in itertools.combinations(found, 2))
