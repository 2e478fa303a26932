"""Cutting parts out, holes for foreign operators, hazards, and the growth cap."""

from __future__ import annotations

import numpy
import pytest
from onnx import numpy_helper, parser

from deploykit.core.errors import InputError
from deploykit.core.graph.extract import extract
from deploykit.core.graph.foreign import check_foreign, cut_foreign
from deploykit.core.graph.hazards import hazards
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.onnxsim_process import run_onnxsim
from deploykit.core.graph.operators import is_foreign
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.graph.simplify import simplified
from deploykit.core.runtime import open_session, run_session

HEAD = '<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 1, "com.microsoft" : 1]>'


def normal(text: str) -> OnnxModel:
    model = normalise(OnnxModel(parser.parse_model(f"{HEAD} {text}"), "m.onnx"))
    infer_shapes(model)
    return model


def test_a_part_keeps_weights_that_only_a_branch_reads_and_all_metadata() -> None:
    model = normal(
        """g (float[2] x, bool c) => (float[2] y) <float[2] w = {1, 2}, float[2] v = {3, 4}> {
            h = Add(x, v)
            y = If (c) <then_branch = t () => (float[2] p) { p = Mul(h, w) },
                        else_branch = e () => (float[2] q) { q = Neg(h) }> }"""
    )
    model.proto.metadata_props.add(key="stride", value="8")
    model.proto.doc_string, model.proto.producer_name = "calib v1", "maker"
    part = extract(model, [1], ["c", "h"], ["y"], "tail").proto
    assert [tensor.name for tensor in part.graph.initializer] == ["w"]
    assert [value.name for value in part.graph.input] == ["c", "h"]
    assert (part.metadata_props[0].value, part.doc_string, part.producer_name) == ("8", "calib v1", "maker")
    data = {"h": numpy.array([5, 6], numpy.float32), "c": numpy.array(True)}
    assert run_session(open_session(part.SerializeToString()), data)[0].tolist() == [5, 12]


def test_a_part_whose_input_has_no_type_is_refused() -> None:
    text = "g (float[2] x) => (float[2] y) { b = edge.ops.Own(x) y = Relu(b) }"
    model = normal(text)
    with pytest.raises(InputError, match="tensor 'b': segment 'tail' reads it, and its type is not known"):
        extract(model, [1], ["b"], ["y"], "tail")
    with pytest.raises(InputError, match=r"node Own 'b'.*'edge.ops' is no operator.*add the output's type"):
        check_foreign(model)


@pytest.mark.parametrize(
    ("op", "domain", "foreign"),
    [
        ("Conv", "", False),
        ("Conv", "ai.onnx", False),
        ("TreeEnsembleRegressor", "ai.onnx.ml", False),
        ("FusedMatMul", "com.microsoft", False),
        ("BevPoolV2", "edge.ops", True),
        ("DCNv2", "", True),
    ],
)
def test_foreign_operators_are_known(op: str, domain: str, foreign: bool) -> None:
    assert is_foreign(op, domain) is foreign


def test_holes_expose_what_a_foreign_operator_reads_and_writes() -> None:
    model = normal(
        """g (float[2] x) => (float[2] y, float[2] b) <float[2] w = {1, 2}, float[2] b> {
            a = Relu(x) b = edge.ops.Own(a, w) y = Neg(b) }"""
    )
    holes = cut_foreign(model)
    assert holes is not None
    assert (holes.made, holes.read) == (("b",), ("a",))
    graph = holes.model.proto.graph
    assert [value.name for value in graph.input] == ["x", "b"]
    assert [value.name for value in graph.output] == ["y", "a"]
    assert len(model.proto.graph.node) == 3, "the model itself stays whole"
    open_session(holes.model.proto.SerializeToString())
    assert cut_foreign(normal("g (float[2] x) => (float[2] y) { y = Relu(x) }")) is None


@pytest.mark.parametrize(
    ("node", "index"),
    [
        ("y = ScatterND(x, twice, u)", "(1,) 2 times"),
        ('y = ScatterND<reduction = "add">(x, twice, u)', ""),
        ("y = ScatterND(x, once, u)", ""),
        ("y = ScatterND(x, given, u)", ""),
        ("y = ScatterElements<axis = 0>(x, grid, u)", "(2, 1) 2 times"),
    ],
)
def test_double_writes_without_a_reduction_are_named(node: str, index: str) -> None:
    model = normal(
        f"""g (float[4,3] x, float[3,3] u, int64[3,1] given) => (float[4,3] y)
        <int64[3,1] twice = {{1, 3, 1}}, int64[3,1] once = {{0, 3, 1}}, int64[3,3] grid = {{0,1,2,1,2,0,2,2,1}}> {{ [sc] {node} }}"""
    )
    found = hazards(model)
    assert len(found) == bool(index)
    assert all("'sc'" in sentence and index in sentence and "undefined" in sentence for sentence in found)


def test_folding_stops_at_the_growth_cap_but_shape_arithmetic_is_folded() -> None:
    text = """g (float[1,64] x) => (float[1,64] y) <int64[2] big = {64, 64}, int64[2] s = {1, 64}, int64[1] ax = {0}> {
        w = ConstantOfShape<value = float[1] {0.5}>(big)
        m = MatMul(x, w)
        sh = Shape(m)
        y = Reshape(m, sh)
    }"""
    model = normal(text)
    small = simplified(model, 0.1)
    assert isinstance(small, OnnxModel), small
    ops = [node.op_type for node in small.proto.graph.node]
    assert "ConstantOfShape" in ops, "16 KB of equal weights are not written out"
    assert "Shape" not in ops
    large = simplified(model, 100.0)
    assert isinstance(large, OnnxModel)
    assert large.proto.graph.node[0].op_type == "MatMul"


def test_a_tied_weight_is_not_stored_twice_by_folding() -> None:
    source = parser.parse_model(
        f"""{HEAD} g (int64[1,4] ids, float[512,16] w) => (float[1,4,512] y) {{
        e = Gather(w, ids) h = Relu(e) t = Transpose<perm = [1, 0]>(w) y = MatMul(h, t) }}"""
    )
    source.graph.initializer.append(numpy_helper.from_array(numpy.ones((512, 16), numpy.float32), "w"))
    model = normalise(OnnxModel(source, "m.onnx"))
    infer_shapes(model)
    small = simplified(model, 0.1)
    assert isinstance(small, OnnxModel)
    assert small.weight_bytes() < 1.1 * 32768


def test_a_sum_of_two_is_written_as_an_add() -> None:
    small = simplified(
        normal("g (float[2] x, float[2] z) => (float[2] y) { a = Relu(x) y = Sum(a, z) }"), 0.1
    )
    assert isinstance(small, OnnxModel)
    assert [node.op_type for node in small.proto.graph.node] == ["Relu", "Add"]


def test_simplifying_keeps_outputs_metadata_and_names() -> None:
    model = normal(
        """g (float[2,3] x) => (float[2,3] y0, float[2,3] y1, float[2,3] y2, float[2] k) <float[2] p = {1, 2}, float two = {2}> {
            y0 = Identity(x) [act] r = Relu(x) y1 = Identity(r) y2 = Identity(r) k = Mul(p, two) }"""
    )
    model.proto.metadata_props.add(key="stride", value="8")
    small = simplified(model, 0.1)
    assert isinstance(small, OnnxModel)
    assert [value.name for value in small.proto.graph.output] == ["y0", "y1", "y2", "k"]
    assert [(entry.key, entry.value) for entry in small.proto.metadata_props] == [("stride", "8")]
    x = numpy.array([[-1, 0, 1], [2, -3, 4]], numpy.float32)
    results = run_session(open_session(small.proto.SerializeToString()), {"x": x})
    assert [value.tolist() for value in results] == [
        x.tolist(),
        numpy.maximum(x, 0).tolist(),
        numpy.maximum(x, 0).tolist(),
        [2, 4],
    ]


def test_what_onnxsim_refuses_leaves_the_model_as_it_is_with_the_reason() -> None:
    proto = normal("g (float[2] x) => (float[2] y) { y = Relu(x) }").proto
    assert str(run_onnxsim(proto, [{"no_such_option": 1}], 1 << 20)).startswith("onnxsim failed: TypeError")
    refused = str(run_onnxsim(proto, [{}], 1))
    assert refused.startswith(f"it would grow from {proto.ByteSize()} to ")
    assert refused.endswith("more than the growth cap allows")
