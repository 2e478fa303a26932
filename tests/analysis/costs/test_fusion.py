"""Which tensors stay on chip between two layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploykit.analysis.fusion import Fusion, fuse
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.profile import ChipProfile

HEAD = "g (float[1,8,4,4] x, float[8,8,1,1] w, float[1,8,4,4] r, float c) => "


def fusion(graph: GraphInfo, chip: ChipProfile) -> Fusion:
    return fuse(graph, {node.id: chip.engine_for(node.op) for node in graph.nodes})


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("(z) { y = Conv(x, w) z = Relu(y) }", {"y"}),
        ("(z) { y = Conv(x, w) s = Add(y, r) z = Relu(s) }", {"y", "s"}),  # a residual, then its activation
        ("(z) { y = Conv(x, w) g = Sigmoid(y) z = Mul(y, g) }", {"y", "g"}),  # SiLU as exporters write it
        (
            "(z) { y = Conv(x, w) a = Add(y, c) b = Relu(a) m = Mul(y, b) z = Div(m, c) }",
            {"y", "a", "b", "m"},
        ),
        ("(z) { y = Conv(x, w) v = Flatten(y) z = Relu(v) }", {"y", "v"}),  # a view in between
        ("(z) { y = Conv(x, w) z = Flatten(y) }", set()),  # nothing behind the view: y is what is written
        ("(z) { y = Conv(x, w) a = Tanh(y) z = Mul(y, a) }", set()),
        ("(z) { y = Conv(x, w) z = Div(y, r) }", set()),  # not by a constant
        ("(z) { y = Conv(x, w) z = Tanh(y) }", set()),  # not in the engine's list
        ("(y, z) { y = Conv(x, w) z = Relu(y) }", set()),  # y is an output
        ("(z, v) { y = Conv(x, w) z = Relu(y) v = Add(y, r) }", set()),  # y is read twice
        ("(z) { y = Relu(x) z = Relu(y) }", set()),  # no convolution to start from
    ],
)
def test_chains(graph_of: Any, chip: ChipProfile, body: str, kept: set[str]) -> None:
    npu = replace(chip.engines[0], operators=("*",))
    engines = (npu, chip.engines[1])
    assert fusion(graph_of(HEAD + body, weights=("w", "c")), replace(chip, engines=engines)).kept == kept


def test_an_addition_joins_one_of_its_two_convolutions(graph_of: Any, chip: ChipProfile) -> None:
    found = fusion(graph_of(HEAD + "(z) { a = Conv(x, w) b = Conv(r, w) z = Add(a, b) }"), chip)
    assert found.kept == {"a"}
    assert found.followers == {"z"}


def test_a_follower_that_grows_does_not_follow(graph_of: Any, chip: ChipProfile) -> None:
    text = "g (float[1,8,1,1] x, float[8,8,1,1] w, float[1,8,4,4] r) => (z) { y = Conv(x, w) z = Add(y, r) }"
    assert fusion(graph_of(text), chip).kept == set()


def test_a_quantized_chain_writes_its_bytes_once(graph_of: Any, chip: ChipProfile) -> None:
    npu = replace(chip.engines[0], operators=("*",), fuses=("Relu", "QuantizeLinear", "DequantizeLinear"))
    text = """g (float[1,8,4,4] x, float[8,8,1,1] w, float s, uint8 z) => (y) {
        a = Conv(x, w)
        r = Relu(a)
        q = QuantizeLinear(r, s, z)
        d = DequantizeLinear(q, s, z)
        y = Conv(d, w)
    }"""
    graph = graph_of(text, weights=("w", "s", "z"))
    assert fusion(graph, replace(chip, engines=(npu, chip.engines[1]))).kept == {"a", "r", "q"}
