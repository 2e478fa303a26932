"""Layers, their kinds and their figures, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deploykit.analysis.graph_work import CustomCost, WorkSettings
from deploykit.analysis.layer_kinds import CONVOLUTIONS, KIND_OF, PRODUCTS
from deploykit.analysis.layer_rows import network_table
from deploykit.analysis.op_costs import OP_COSTS, movement
from deploykit.artifacts.layer_table import LayerKind, LayerRow, NetworkTable
from deploykit.core.errors import InputError


def table(graph: Any, **options: Any) -> NetworkTable:
    return network_table(graph, name="toy", source="test", **options)


BLOCK = """g (float[1,8,4,4] x, float[8,8,3,3] w, float[8] b) => (z) {
    c = Conv<pads=[1,1,1,1]>(x, w, b)
    a = Add(c, x)
    z = Relu(a)
}"""


def test_a_residual_block_is_one_layer(graph_of: Any) -> None:
    found = table(graph_of(BLOCK, weights=("w", "b")))
    assert found.input_shape == (1, 8, 4, 4)
    assert found.parameters == 8 * 8 * 9 + 8
    macs, vector_ops = 128 * 72, 3 * 128  # bias, addition, relu
    assert found.rows == (LayerRow("conv", macs, vector_ops, 2 * 128, 584, 128),)  # x is read twice


def test_activations_by_table_are_counted_in_the_layer_that_they_are_fused_into(graph_of: Any) -> None:
    text = "g (float[1,8,4,4] x, float[8,8,1,1] w) => (z) { c = Conv(x, w) s = Sigmoid(c) z = Mul(c, s) }"
    (row,) = table(graph_of(text, weights=("w",))).rows
    assert (row.vector_ops, row.special_ops) == (2 * 128, 128)


def test_what_an_engine_does_not_fuse_is_a_layer_of_its_own(graph_of: Any) -> None:
    kinds = [row.kind for row in table(graph_of(BLOCK, weights=("w", "b")), fuses=("Relu",)).rows]
    assert kinds == ["conv", "elementwise", "activation"]


def test_silu_follows_its_convolution(graph_of: Any) -> None:
    text = "g (float[1,8,4,4] x, float[8,8,1,1] w) => (z) { c = Conv(x, w) s = Sigmoid(c) z = Mul(c, s) }"
    (row,) = table(graph_of(text, weights=("w",))).rows
    assert (row.kind, row.read_elements, row.write_elements) == ("pointwise", 128, 128)


def test_equal_layers_are_counted(graph_of: Any) -> None:
    text = """g (float[1,8,4,4] x, float[8,8,1,1] w, float[8,8,1,1] v) => (z) {
        a = Conv(x, w)
        m = MaxPool<kernel_shape=[1,1]>(a)
        z = Conv(m, v)
    }"""
    found = table(graph_of(text, weights=("w", "v")))
    assert [(row.kind, row.count) for row in found.rows] == [("pointwise", 2), ("pool", 1)]
    assert (found.macs, found.layers) == (2 * 128 * 8, 3)
    assert found.parameters == 128


def test_a_weight_that_two_layers_share_is_one_parameter_tensor(graph_of: Any) -> None:
    text = "g (float[1,8,4,4] x, float[8,8,1,1] w) => (z) { a = Conv(x, w) z = Conv(a, w) }"
    assert table(graph_of(text, weights=("w",))).parameters == 64


def test_views_are_no_layers(graph_of: Any) -> None:
    text = "g (float[1,8,4,4] x) => (z) { a = Flatten(x) z = Relu(a) }"
    assert [row.kind for row in table(graph_of(text)).rows] == ["activation"]


@pytest.mark.parametrize(
    ("kind", "signature", "call"),
    [
        ("stem", "float[1,3,8,8] x, float[8,3,3,3] w", "Conv(x, w)"),
        ("conv", "float[1,8,8,8] x, float[8,8,3,3] w", "Conv(x, w)"),
        ("pointwise", "float[1,8,8,8] x, float[8,8,1,1] w", "Conv(x, w)"),
        ("pointwise", "float[1,8,8,8] x, float[8,8,1,1] w", "Conv<strides=[2,2]>(x, w)"),
        ("fully_connected", "float[1,8,1,1] x, float[4,8,1,1] w", "Conv(x, w)"),  # squeeze and excite
        ("fully_connected", "float[1,8,3,3] x, float[4,8,3,3] w", "Conv(x, w)"),
        ("conv", "float[1,8,3,3] x, float[4,8,2,2] w", "Conv(x, w)"),
        ("depthwise", "float[1,8,8,8] x, float[8,1,3,3] w", "Conv<group=8>(x, w)"),
        ("depthwise", "float[1,8,8,8] x, float[16,1,3,3] w", "Conv<group=8>(x, w)"),
        ("grouped", "float[1,8,8,8] x, float[8,4,3,3] w", "Conv<group=2>(x, w)"),
        ("deconv", "float[1,8,8,8] x, float[8,8,2,2] w", "ConvTranspose<strides=[2,2]>(x, w)"),
        ("fully_connected", "float[1,8] x, float[8,4] w", "MatMul(x, w)"),
        ("fully_connected", "float[4,8] x, float[8,4] w", "MatMul(x, w)"),  # four samples, a row each
        ("pointwise", "float[1,9,8] x, float[8,4] w", "MatMul(x, w)"),  # nine tokens
        ("pointwise", "float[1,8,9] x, float[4,8] w", "MatMul(w, x)"),
        ("fully_connected", "float[1,8] x, float[8,4] w", "Gemm(x, w)"),
        ("matmul", "float[1,9,8] x, float[1,8,9] r", "MatMul(x, r)"),
        ("matmul", "float[1,9,8] x, float[1,9,8] r", 'Einsum<equation="bik,bjk->bij">(x, r)'),
        ("pointwise", "float[1,9,8] x, float[4,8] w", 'Einsum<equation="bik,jk->bij">(x, w)'),
        ("elementwise", "float[1,8,4,4] x, float[1,8,4,4] r", "Add(x, r)"),
        ("pool", "float[1,8,4,4] x", "GlobalAveragePool(x)"),
        ("softmax", "float[1,8,4,4] x", "Softmax(x)"),
        ("normalisation", "float[1,9,8] x, float[8] w", "LayerNormalization(x, w)"),
        ("activation", "float[1,9,8] x", "Gelu(x)"),
        ("move", "float[1,9,8] x", "Transpose<perm=[0,2,1]>(x)"),
        ("move", "float[1,8,4,4] x, float[1,8,4,4] r", "Concat<axis=1>(x, r)"),
    ],
)
def test_kinds(graph_of: Any, kind: LayerKind, signature: str, call: str) -> None:
    (row,) = table(graph_of(f"g ({signature}) => (z) {{ z = {call} }}", weights=("w",))).rows
    assert row.kind == kind


def test_every_costed_operator_has_a_kind() -> None:
    views = {op for (_, op), cost in OP_COSTS.items() if cost is movement.view}
    named = {op for _, op in OP_COSTS} - views
    assert named - KIND_OF.keys() - CONVOLUTIONS - PRODUCTS.keys() == set()
    assert (KIND_OF.keys() | CONVOLUTIONS | PRODUCTS.keys()) - named == set()


def test_operators_without_a_kind_are_listed_all_at_once(graph_of: Any) -> None:
    graph = graph_of("g (float[1,8] x) => (z) { a = Relu(x) z = Relu(a) }")
    custom = replace(graph, nodes=tuple(replace(node, op="Voxelize", domain="c") for node in graph.nodes))
    settings = WorkSettings(custom_costs={"c:Voxelize": CustomCost(macs=1)})
    with pytest.raises(InputError) as error:
        table(custom, settings=settings)
    assert [fault.what for fault in error.value.faults] == ["c:Voxelize has no layer kind"] * 2
