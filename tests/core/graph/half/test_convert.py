"""Graphs in float16, run in onnxruntime beside the float32 they came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy
import onnx
import onnx.checker
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper, parser

from deploykit.core.graph.half.convert import Halved, to_float16
from deploykit.core.graph.index import node_id
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import value_infos
from deploykit.core.runtime import open_session, run_session

Array = NDArray[Any]
HEAD = '<ir_version: 8, opset_import: ["" : 17]>'


def reals(values: list[Any]) -> Array:
    return numpy.array(values, numpy.float32)


def model_of(text: str, **weights: Array) -> OnnxModel:
    proto = parser.parse_model(f"{HEAD} {text}")
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return normalise(OnnxModel(proto, "net"))


def halved(model: OnnxModel, ranges: Mapping[str, tuple[float, float]] | None = None) -> Halved:
    """Ask for float16 everywhere; what comes back is valid and says so."""
    found = to_float16(model, {node_id(node) for node in model.proto.graph.node}, ranges or {})
    onnx.checker.check_model(found.model.proto, full_check=True)
    return found


def run(model: OnnxModel, **inputs: Any) -> list[Array]:
    return run_session(open_session(model.proto.SerializeToString()), inputs)


def seen(model: OnnxModel, **inputs: Any) -> dict[str, tuple[float, float]]:
    """Give every float32 tensor's range on one run, as calibration sees it."""
    from deploykit.core.graph.shapes import infer_shapes

    probe = model.copy()
    infer_shapes(probe)
    floats = [
        value
        for name, value in value_infos(probe.proto).items()
        if value.type.tensor_type.elem_type == TensorProto.FLOAT and name not in inputs
    ]
    own = {value.name for value in probe.proto.graph.output}
    probe.proto.graph.output.extend(value for value in floats if value.name not in own)
    names = [value.name for value in floats]
    session = open_session(probe.proto.SerializeToString())
    found = dict(zip(names, run_session(session, inputs, names), strict=True))
    found |= {name: value for name, value in inputs.items() if value.dtype == numpy.float32}
    return {name: (float(value.min()), float(value.max())) for name, value in found.items()}


def sqnr_db(reference: Array, other: Array) -> float:
    error = ((reference.astype(float) - other) ** 2).sum()
    return 10 * math.log10((reference.astype(float) ** 2).sum() / max(error, 1e-30))


def ops(found: Halved) -> list[str]:
    return [node.op_type for node in found.model.proto.graph.node]


RESIDUAL = """g (float[1,3,8,8] x) => (float[1,4,16,16] y, float[1,4,8,8] mid)
<float[4] scales = {1, 1, 2, 2}>
{
    a = Conv (x, w1)
    b = Relu (a)
    mid = Conv <pads = [1, 1, 1, 1]> (b, w2)
    c = Add (mid, b)
    y = Resize (c, , scales)
}"""


def test_an_island_is_cast_once_at_each_border_and_stays_near_float32() -> None:
    generator = numpy.random.default_rng(0)
    w1 = generator.standard_normal((4, 3, 1, 1)).astype(numpy.float32)
    w2 = generator.standard_normal((4, 4, 3, 3)).astype(numpy.float32)
    x = generator.standard_normal((1, 3, 8, 8)).astype(numpy.float32)
    model = model_of(RESIDUAL, w1=w1, w2=w2)
    found = halved(model)
    assert found.kept == ()
    assert ops(found) == ["Cast", "Conv", "Relu", "Conv", "Cast", "Add", "Resize", "Cast"]
    weights = {t.name: t.data_type for t in found.model.proto.graph.initializer}
    assert weights == {
        "scales": TensorProto.FLOAT,  # ONNX wants these in float32
        "w1::float16": TensorProto.FLOAT16,
        "w2::float16": TensorProto.FLOAT16,
    }
    for reference, other in zip(run(model, x=x), run(found.model, x=x), strict=True):
        assert other.dtype == numpy.float32
        # 11 bits of rounding noise are 6.02 * 11 + 10.8 dB below uniform signals; a few roundings add up
        assert 55 < sqnr_db(reference, other) < 80


BRANCHED = """g (float[1,4,6,6] x, float[1,4,6,6] z) => (float[1,4,6,6] y, float[1,4,3,3] small, float[1,4,6,6] c)
{
    a = Conv (x, w)
    b = HardSwish (a)
    c = Add (b, z)
    d = Mul (c, b)
    e = Concat <axis = 1> (d, a)
    f, g = Split <axis = 1> (e)
    y = Max (f, g, c)
    small = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (y)
}"""


@given(st.sets(st.sampled_from(["a", "b", "c", "d", "e", "f", "y", "small"])))
@settings(max_examples=40, deadline=None)
def test_any_choice_of_nodes_runs_with_one_cast_a_tensor_and_direction(nodes: set[str]) -> None:
    generator = numpy.random.default_rng(0)
    model = model_of(BRANCHED, w=generator.standard_normal((4, 4, 1, 1)).astype(numpy.float32))
    found = to_float16(model, nodes, {})
    onnx.checker.check_model(found.model.proto, full_check=True)
    assert set(found.nodes) == nodes
    casts = [(n.input[0], n.attribute[0].i) for n in found.model.proto.graph.node if n.op_type == "Cast"]
    assert len(casts) == len(set(casts))
    x, z = (generator.standard_normal((1, 4, 6, 6)).astype(numpy.float32) for _ in range(2))
    for reference, other in zip(run(model, x=x, z=z), run(found.model, x=x, z=z), strict=True):
        assert numpy.abs(reference - other).max() <= 2**-8 * numpy.abs(reference).max()
        assert nodes or (reference == other).all()


def test_a_float32_neighbour_reads_one_cast() -> None:
    model = model_of("g (float[4] x) => (float[4] y, float[4] z) { h = Tanh (x) y = Neg (h) z = Abs (h) }")
    found = to_float16(model, {"h"}, {})
    assert ops(found) == ["Cast", "Tanh", "Cast", "Neg", "Abs"]
    assert [list(n.input) for n in found.model.proto.graph.node[3:]] == [["h::float32"], ["h::float32"]]
    x = reals([0.1, -0.2, 0.3, 2])
    for reference, other in zip(run(model, x=x), run(found.model, x=x), strict=True):
        assert numpy.abs(reference - other).max() < 2**-10


MASKED = """g (float[1,8] x, bool[1,8] m) => (float[1,8] y)
<float two = {2}, float eps = {1e-12}, float neg = {-3.4028235e+38}, float scale = {1e+06}>
{
    p = Pow (x, two)
    v = ReduceMean <axes = [-1]> (p)
    ve = Add (v, eps)
    sd = Sqrt (ve)
    n = Div (x, sd)
    q = Where (m, n, neg)
    sm = Softmax <axis = -1> (q)
    y = Mul (sm, scale)
}"""
X = reals([[300, -300, 290, 310, 100, -50, 20, 300]])
M = numpy.array([[True, True, False, True, False, True, True, True]])


@pytest.mark.parametrize("with_ranges", [False, True])
def test_what_float16_cannot_hold_stays_float32_and_is_named(with_ranges: bool) -> None:
    model = model_of(MASKED)
    found = halved(model, seen(model, x=X, m=M) if with_ranges else {})
    kept = dict(found.kept)
    assert {"p", "v", "ve", "sm", "y"} <= set(kept)
    assert kept["y"] == "constant 'scale' reaches 1e+06, float16 ends at 65504"
    assert kept["ve"] == "constant 'eps' of at most 1e-12 becomes 0 in float16"
    if with_ranges:
        assert kept["v"] == "tensor 'p' reaches 9.61e+04, float16 ends at 65504"
    assert "q" in found.nodes
    assert "float16: masks become -65504: neg" in found.notices
    (reference,), (other,) = run(model, x=X, m=M), run(found.model, x=X, m=M)
    assert numpy.isfinite(other).all()
    assert (other[~M] == 0).all()
    assert numpy.abs(other - reference).max() < 2e-3 * reference.max()


def test_a_row_that_is_all_masked_gives_no_nan() -> None:
    model = model_of(MASKED)
    (other,) = run(halved(model, seen(model, x=X, m=M)).model, x=X, m=numpy.zeros((1, 8), bool))
    assert numpy.allclose(other, 1e6 / 8, rtol=1e-3)


def test_what_an_additive_mask_reaches_stays_float32() -> None:
    mask = reals([[0, -3.4e38, 0, -3.4e38]])
    model = model_of(
        """g (float[1,4] x) => (float[4] y) <int64[1] flat = {4}> {
            s = Tanh (x)
            q = Add (s, mask)
            r = Reshape (q, flat)
            y = Softmax <axis = 0> (r)
        }""",
        mask=mask,
    )
    x = reals([[1, 2, 3, 4]])
    for ranges in ({}, seen(model, x=x)):
        found = halved(model, ranges)
        assert found.nodes == ("s",)
        (other,) = run(found.model, x=x)
        assert other[[1, 3]].tolist() == [0, 0]
        assert other == pytest.approx(run(model, x=x)[0], abs=1e-3)


def test_ranges_make_sums_and_exponents_safe() -> None:
    text = "g (float[1,16] x) => (float[1,1] y) { e = Exp (x) y = ReduceMean <axes = [1]> (e) }"
    model = model_of(text)
    x = numpy.linspace(-4, 4, 16, dtype=numpy.float32)[None]
    assert {name for name, _ in halved(model).kept} == {"e", "y"}
    found = halved(model, seen(model, x=x))
    assert found.kept == ()
    assert sqnr_db(run(model, x=x)[0], run(found.model, x=x)[0]) > 50
    wide = {"x": (-4.0, 11.0), "e": (0.0, 59874.0), "y": (0.0, 4000.0)}
    assert dict(halved(model, wide).kept) == {
        "e": "the exponent reaches 11; up to 8, rounding it costs at most 0.4 %",
        "y": "ReduceMean sums 16 values of up to 5.99e+04",
    }


def test_a_tensor_below_normal_numbers_stays_float32() -> None:
    model = model_of("g (float[2] x) => (float[2] z) { y = Neg (x) z = Abs (y) }")
    found = halved(model, {"x": (-1e-6, 1e-6), "y": (-1e-6, 1e-6), "z": (0.0, 1e-6)})
    assert found.nodes == ()
    assert ops(found) == ["Neg", "Abs"]


def test_flushed_weights_are_counted() -> None:
    w = reals([[1e-9, 1], [2, 3e-9]])
    found = halved(model_of("g (float[1,2] x) => (float[1,2] y) { y = MatMul (x, w) }", w=w))
    assert found.notices == ("float16: weights below 3e-08 become 0: w (2 of 4)",)


LOOP = """g (float[1,4] x, int64 n) => (float[1,4] fin, float[?,1,4] seq)
<bool cond = {1}>
{
    start = Tanh (x)
    fin, seq = Loop (n, cond, start) <body = body (int64 i, bool c, float[1,4] st)
        => (bool c2, float[1,4] st2, float[1,4] sc)
    {
        mm = MatMul (st, W)
        shifted = Add (mm, start)
        st2 = Tanh (shifted)
        c2 = Identity (c)
        sc = Identity (st2)
    }>
}"""


def test_a_loop_stays_float32_with_what_it_captures_cast_at_its_edge() -> None:
    w = numpy.random.default_rng(1).standard_normal((4, 4)).astype(numpy.float32)
    model = model_of(LOOP, W=w)
    found = halved(model)
    assert found.nodes == ("start",)
    assert found.notices == ("float32 instead of float16: fin: loops and branches stay float32",)
    inputs = {"x": reals([[1, -1, 0.5, 0.1]]), "n": numpy.array(5)}
    for reference, other in zip(run(model, **inputs), run(found.model, **inputs), strict=True):
        assert numpy.abs(reference - other).max() < 1e-2


def test_both_branches_of_an_if_read_the_same_cast() -> None:
    model = model_of(
        """g (float[2] x, bool flag) => (float[2] y) {
            h = Tanh (x)
            y = If (flag) <then_branch = yes () => (float[2] a) { a = Neg (h) },
                           else_branch = no () => (float[2] b) { b = Abs (h) }>
        }"""
    )
    found = halved(model)
    assert found.nodes == ("h",)
    x = reals([0.5, -1])
    for flag in (True, False):
        inputs = {"x": x, "flag": numpy.array(flag)}
        assert numpy.abs(run(model, **inputs)[0] - run(found.model, **inputs)[0]).max() < 1e-3


def test_casts_and_constant_shapes_write_float16_themselves() -> None:
    model = model_of(
        """g (int64[2] i, int64[1] n) => (float[2] y) <int64[1] two = {2}> {
            r = Cast <to = 1> (i)
            o = ConstantOfShape <value = float[1] {0.5}> (two)
            y = Add (r, o)
        }"""
    )
    found = halved(model)
    assert ops(found) == ["Cast", "ConstantOfShape", "Add", "Cast"]
    inputs = {"i": numpy.array([3, 4]), "n": numpy.array([2])}
    assert run(found.model, **inputs)[0].tolist() == [3.5, 4.5]


def test_what_reads_numbers_and_writes_none_compares_in_float16() -> None:
    model = model_of(
        "g (float[2] x) => (int64[1] best, int64[1] size) { h = Neg (x) best = ArgMax (h) size = Shape (h) }"
    )
    found = halved(model)
    assert found.nodes == ("h", "best")
    assert ops(found) == ["Cast", "Neg", "ArgMax", "Shape"]
    best, size = run(found.model, x=reals([2, 1]))
    assert (best.tolist(), size.tolist()) == ([1], [2])
