"""Changing the opset: equal outputs in onnxruntime, or the first node in the way."""

from __future__ import annotations

import re

import numpy
import pytest
from onnx import TensorProto, helper, parser

from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.opset import with_opset
from deploykit.core.runtime import open_session, run_session

X = numpy.random.default_rng(0).standard_normal((2, 6)).astype(numpy.float32)


def model(text: str, opset: int) -> OnnxModel:
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {text}')
    return normalise(OnnxModel(proto, "m.onnx"))


def outputs(changed: OnnxModel) -> list[list[float]]:
    session = open_session(changed.proto.SerializeToString())
    return [value.tolist() for value in run_session(session, {"x": X})]


EQUAL = {
    "reduce and split": (
        """g (float[2,6] x) => (float[2,3] y) <int64[1] ax = {1}> {
        a, b = Split<axis = 1, num_outputs = 2>(x) m = ReduceMean<keepdims = 1>(a, ax) i = Identity(b) y = Add(m, i) }""",
        18,
        13,
    ),
    "uneven split": (
        "g (float[2,6] x) => (float[2,2] y) { a, b, c, y = Split<axis = 1, num_outputs = 4>(x) }",
        18,
        13,
    ),
    "to attributes": (
        """g (float[2,6] x) => (float[6] y) <int64[1] ax = {0}, int64[2] sp = {1, 1}> {
        a, b = Split<axis = 0>(x, sp) c = Squeeze(a, ax) d = Unsqueeze(c, ax) e = ReduceSum<keepdims = 0>(d, ax) s = Softmax<axis = -1>(e)
        y = Identity(s) }""",
        13,
        11,
    ),
    "sampling by another name": (
        """g (float[2,6] x) => (float[1,1,2,3] y) <int64[4] im = {1, 1, 3, 4}, float[1,2,3,2] grid = {0,0,0.5,0.1,-1,1,0.2,0.3,1,1,0,0.7}> {
        r = Reshape(x, im) y = GridSample<mode = "linear">(r, grid) }""",
        20,
        16,
    ),
    "all axes": ("g (float[2,6] x) => (float[1,1] y) { y = ReduceMax(x) }", 18, 12),
    "one up": ("g (float[2,6] x) => (float[2,6] y) { a = Relu(x) y = Softmax<axis = 1>(a) }", 11, 17),
}


@pytest.mark.parametrize("name", EQUAL)
def test_a_converted_model_gives_equal_outputs(name: str) -> None:
    text, version, target = EQUAL[name]
    source = model(text, version)
    changed = with_opset(source, target)
    assert isinstance(changed, OnnxModel), changed
    assert changed.opset == target
    assert outputs(changed) == outputs(source)
    assert [value.name for value in changed.proto.graph.output] == [
        value.name for value in source.proto.graph.output
    ]


@pytest.mark.parametrize(
    ("text", "version", "target", "reason"),
    [
        (
            "g (float[2,6] x) => (float[2,6] y) { a = Relu(x) [act] y = Mish(a) }",
            18,
            13,
            "opset 13 has no Mish: Mish 'act'",
        ),
        (
            "g (float[2,6] x) => (float[2,6] y) { [s] y = Softmax<axis = 0>(x) }",
            13,
            11,
            "Softmax 's' .* only the last axis",
        ),
        (
            "g (float[2,6] x, int64[1] ax) => (float[2,1] y) { [r] y = ReduceMean(x, ax) }",
            18,
            13,
            "ReduceMean 'r' .* computes its 'ax'",
        ),
        (
            "g (float[2,6] x) => (float[2,6] y) { [r] y = Resize<antialias = 1>(x, , sc) }",
            18,
            13,
            "antialias",
        ),
        (
            'g (float[2,6] x) => (float[2,6] y) { [s] y = ScatterElements<reduction = "max">(x, i, x) }',
            18,
            16,
            "max",
        ),
    ],
)
def test_a_refusal_names_the_first_node_in_the_way(text: str, version: int, target: int, reason: str) -> None:
    text = text.replace(
        "=> (float[2,6] y) { [r] y = Resize", "=> (float[2,6] y) <float[2] sc = {1, 1}> { [r] y = Resize"
    )
    text = text.replace("{ [s] y = ScatterE", "<int64[2,6] i = {0,0,0,0,0,0,0,0,0,0,0,0}> { [s] y = ScatterE")
    refused = with_opset(model(text, version), target)
    assert isinstance(refused, str)
    assert re.search(reason, refused), refused


def test_metadata_and_node_names_survive_a_conversion() -> None:
    source = model(
        "g (float[2,6] x) => (float[2,6] y) { [act] a = Relu(x) [soft] y = Softmax<axis = 1>(a) }", 11
    )
    source.proto.metadata_props.add(key="stride", value="8")
    source.proto.producer_name = "maker"
    changed = with_opset(source, 17)
    assert isinstance(changed, OnnxModel)
    assert changed.proto.metadata_props[0].value == "8"
    assert changed.proto.producer_name == "maker"
    assert [node.name for node in changed.proto.graph.node if node.name in ("act", "soft")] == ["act", "soft"]


def test_weights_stay_when_the_opset_changes() -> None:
    source = model("g (float[2,6] x) => (float[2,6] y) <float[6] w = {1,2,3,4,5,6}> { y = Mul(x, w) }", 17)
    source.proto.graph.initializer.append(helper.make_tensor("unused", TensorProto.FLOAT, [1], [0]))
    changed = with_opset(source, 13)
    assert isinstance(changed, OnnxModel)
    assert outputs(changed)[0] == (X * numpy.arange(1, 7, dtype=numpy.float32)).tolist()
