"""Convolutions that toolchains often refuse, each found by one rule."""

from __future__ import annotations

import onnx.parser
import pytest

from deploykit.analysis.special_convolutions import special_convolutions
from deploykit.analysis.summary import summarise
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes

HEAD = '<ir_version: 9, opset_import: ["" : 19]>'
WEIGHT = "float[2,2,1,1] w = {1,0,0,1}"


def found(text: str) -> list[tuple[str, tuple[str, ...]]]:
    model = normalise(model_from_proto(onnx.parser.parse_model(f"{HEAD} {text}"), "g"))
    infer_shapes(model)
    return list(special_convolutions(summarise(model)))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("Conv<dilations=[2,2]>(x, w)", "dilated convolution"),
        ("ConvTranspose<group=2>(x, w)", "transposed convolution in groups"),
        (
            "ConvTranspose<strides=[2,2], output_padding=[1,1]>(x, w)",
            "transposed convolution with dilation or output padding",
        ),
    ],
)
def test_attributes_that_toolchains_trip_over(call: str, sentence: str) -> None:
    graph = f"g (float[1,2,8,8] x) => (y) <{WEIGHT}> {{ y = {call} }}"
    assert found(graph) == [(sentence, ("y",))]


def test_a_plain_convolution_is_none() -> None:
    assert found(f"g (float[1,2,8,8] x) => (y) <{WEIGHT}> {{ y = Conv(x, w) }}") == []


def test_weights_that_are_computed_from_weights_are_weights() -> None:
    assert found(f"g (float[1,2,8,8] x) => (y) <{WEIGHT}> {{ v = Neg(w) y = Conv(x, v) }}") == []
    assert found("g (float[1,2,8,8] x, float[2,2,1,1] w) => (y) { v = Neg(w) y = Conv(x, v) }") == [
        ("weights that are computed at run time", ("y",))
    ]


def test_one_axis_and_deformable() -> None:
    line = "g (float[1,2,8] x) => (y) <float[2,2,1] w = {1,0,0,1}> { y = Conv(x, w) }"
    assert found(line) == [("convolution over one or three axes", ("y",))]
    text = f"g (float[1,2,8,8] x, float[1,2,8,8] o) => (y) <{WEIGHT}> {{ y = DeformConv(x, w, o) }}"
    assert found(text) == [("deformable convolution", ("y",))]
