"""Sizes: symbols, bindings, what inference loses, and what only the data decides."""

from __future__ import annotations

import pytest
from onnx import helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.errors import InputError
from deploykit.core.graph.dims import bind, symbols
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.refine import refine_shapes
from deploykit.core.graph.shapes import infer_shapes

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
RESHAPE = """g (float[N,3,4,4] x) => (float[N,3,K] y) <int64[1] b = {0}, int64[1] e = {2}, int64[1] m1 = {-1}> {
    s = Shape(x)
    s2 = Slice(s, b, e)
    tgt = Concat<axis = 0>(s2, m1)
    r = Reshape(x, tgt)
    y = Relu(r)
}"""


def normal(text: str) -> OnnxModel:
    return normalise(OnnxModel(parser.parse_model(f"{HEAD} {text}"), "m.onnx"))


def summary(model: OnnxModel) -> GraphInfo:
    infer_shapes(model)
    refine_shapes(model)
    return summarise(model)


def test_free_sizes_get_symbols_and_minus_one_a_notice() -> None:
    model = normal("g (float[N, 3] x, float[2, 3] z) => (float[N, 3] y) { y = Add(x, z) }")
    model.proto.graph.input[1].type.tensor_type.shape.dim[0].dim_value = -1
    model.proto.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "?"
    again = normalise(model)
    assert symbols(again.proto.graph) == ("N", "z_dim0", "z_dim1")
    assert again.notices == ["sizes of -1 are not valid in ONNX; they are read as free sizes: z"]


def test_a_free_input_size_takes_the_name_that_the_output_gives_it() -> None:
    model = normal("g (float[1, 3] x) => (float[N, 3] y) { y = Relu(x) }")
    model.proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    graph = summary(normalise(model))
    assert graph.tensor["x"].shape == graph.tensor["y"].shape == ("N", 3)


def test_symbols_stay_the_same_in_and_out_without_a_request() -> None:
    graph = summary(
        normal("g (float[batch, 3, H, W] x) => (float[batch, 3, H, W] y) { a = Exp(x) y = Relu(a) }")
    )
    assert graph.tensor["a"].shape == graph.tensor["y"].shape == ("batch", 3, "H", "W")


def test_sizes_are_bound_by_symbol_and_by_shape() -> None:
    model = normal("g (float[N, C, H] x) => (float[N, C, H] y) { y = Relu(x) }")
    bind(model, {"N": 2}, {"x": (2, 3, 8)})
    assert summary(model).tensor["y"].shape == (2, 3, 8)


def test_all_faults_of_bindings_come_at_once() -> None:
    model = normal(
        "g (float[batch, 3] x, float[batch, 4] z) => (float[batch, 7] y) { y = Concat<axis = 1>(x, z) }"
    )
    with pytest.raises(InputError) as caught:
        bind(model, {"bacth": 1, "batch": 0}, {"x": (1, 5), "w": (1,), "z": (1, 4, 4)})
    faults = [str(fault) for fault in caught.value.faults]
    assert "did you mean 'batch'?" in faults[0]
    assert "0 is no size" in faults[1]
    assert "axis 1 is 3 in the model and cannot be 5" in faults[2]
    assert "no input of this name; inputs are: x, z" in faults[3]
    assert "has 3 sizes, the model's input has 2" in faults[4]


def test_a_size_bound_twice_differently_is_refused() -> None:
    model = normal(
        "g (float[batch, 3] x, float[batch, 4] z) => (float[batch, 7] y) { y = Concat<axis = 1>(x, z) }"
    )
    with pytest.raises(InputError, match="'batch', which is 1 elsewhere"):
        bind(model, {}, {"x": (1, 3), "z": (2, 4)})


def test_shape_arithmetic_is_followed_with_free_and_with_bound_sizes() -> None:
    assert summary(normal(RESHAPE)).tensor["y"].shape == ("N", 3, 16)
    model = normal(RESHAPE)
    bind(model, {"N": 2}, {})
    graph = summary(model)
    assert graph.tensor["y"].shape == (2, 3, 16)
    assert graph.tensor["s"].shape == (4,)


def test_computed_sizes_are_followed_through_several_reshapes() -> None:
    text = """g (float[N, 3, H, W] x) => (float[N, P, 3] y, float[N, 3, H, W] z) <int64 zero = {0}, int64 two = {2}, int64 three = {3},
        int64[1] m1 = {-1}, int64[1] c = {3}, int64[1] ax = {0}> {
        s = Shape(x)
        n = Gather(s, zero)
        h = Gather(s, two)
        w = Gather(s, three)
        n1 = Unsqueeze(n, ax)
        flat = Concat<axis = 0>(n1, c, m1)
        r = Reshape(x, flat)
        y = Transpose<perm = [0, 2, 1]>(r)
        h1 = Unsqueeze(h, ax)
        w1 = Unsqueeze(w, ax)
        back = Concat<axis = 0>(n1, c, h1, w1)
        z = Reshape(r, back)
    }"""
    free = summary(normal(text))
    assert free.tensor["z"].shape == ("N", 3, "H", "W")
    assert free.tensor["y"].shape is not None
    assert (free.tensor["y"].shape[0], free.tensor["y"].shape[2]) == ("N", 3)
    model = normal(text)
    bind(model, {"N": 1, "H": 4, "W": 5}, {})
    assert summary(model).tensor["y"].shape == (1, 20, 3)


def test_sizes_that_the_data_decides_have_bounds_and_no_guess() -> None:
    text = """g (float[4, 4] x) => (float[K] y) <float t = {0}> {
        m = Greater(x, t)
        nz = NonZero(m)
        ij = Transpose<perm = [1, 0]>(nz)
        y = GatherND(x, ij)
    }"""
    tensors = summary(normal(text)).tensor
    assert tensors["nz"].shape is not None
    assert tensors["nz"].shape[0] == 2
    assert not isinstance(tensors["nz"].shape[1], int)
    assert [tensors[name].upper_bound for name in ("m", "nz", "ij", "y")] == [None, (2, 16), (16, 2), (16,)]


def test_bounds_follow_one_after_the_other() -> None:
    text = """g (float[1, 6, 4] boxes, float[1, 2, 6] scores, bool[12] keep) => (int64[K] picked)
        <int64 most = {5}, int64[1] last = {2}> {
        sel = NonMaxSuppression(boxes, scores, most)
        rows = Gather<axis = 1>(sel, last)
        flat = Flatten<axis = 0>(rows)
        u, first, back, counts = Unique(flat)
        picked = Identity(u)
    }"""
    tensors = summary(normal(text)).tensor
    assert tensors["sel"].upper_bound == (12, 3)  # 1 batch x 2 classes x 6 boxes
    assert tensors["u"].upper_bound == tensors["picked"].upper_bound == (12,)


def test_a_custom_operator_keeps_what_is_given_and_inference_goes_on_behind_it() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 1]>
        g (float[1, 3, 8, 8] x) => (float[a, b, c, d] y) <float[8, 8, 1, 1] w, float[1, 8, 4, 4] b1> {
        b1 = edge.ops.Pool(x)
        r = Relu(b1)
        y = GlobalAveragePool(r)
    }"""
    model = normalise(OnnxModel(parser.parse_model(text), "m.onnx"))
    tensors = summary(model).tensor
    assert tensors["r"].shape == (1, 8, 4, 4)
    assert tensors["y"].shape == (1, 8, 1, 1)


def test_the_summary_holds_what_pure_stages_read() -> None:
    text = """g (float[1, 2, 4, 4] x) => (float[1, 1, 2, 2] y) <float[1, 2, 3, 3] w = {1,1,1,1,1,1,1,1,1,2,2,2,2,2,2,2,2,2}> {
        [conv] y = Conv<kernel_shape = [3, 3], auto_pad = "VALID">(x, w) }"""
    graph = summary(normal(text))
    (node,) = graph.nodes
    assert (node.id, node.name, node.op, node.inputs) == ("y", "conv", "Conv", ("x", "w"))
    assert dict(node.attributes) == {"kernel_shape": (3, 3), "auto_pad": "VALID"}
    weight = graph.tensor["w"]
    assert (weight.is_weight, weight.shape, weight.dtype) == (True, (1, 2, 3, 3), "float")
    assert weight.constant == (1.0,) * 9 + (2.0,) * 9
    assert (graph.inputs, graph.outputs, graph.opset) == (("x",), ("y",), 17)
    assert graph.tensor["y"].shape == (1, 1, 2, 2)


def test_the_summary_of_a_branch_says_what_it_captures() -> None:
    text = """g (float[2] x, bool c) => (float[2] y) <float[2] w = {1, 2}> {
        h = Relu(x)
        y = If (c) <then_branch = t () => (float[2] p) { p = Add(h, w) }, else_branch = e () => (float[2] q) { q = Neg(h) }> }"""
    graph = summary(normal(text))
    branches = dict(graph.nodes[1].subgraphs)
    assert branches["then_branch"].captured == ("h", "w")
    assert branches["else_branch"].nodes[0].id == "y/else_branch/q"
    assert [node.id for node in graph.consumers["w"]] == ["y"]
    assert branches["then_branch"].tensor["p"].shape == (2,)


def test_inputs_without_any_shape_can_be_bound() -> None:
    model = normal("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    model.proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, None))
    model.proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, None))
    bind(model, {}, {"x": (3, 4)})
    assert summary(model).tensor["y"].shape == (3, 4)
