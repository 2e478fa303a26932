"""Costs of single operators against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import onnx
import pytest

from deploykit.analysis.graph_work import graph_works
from deploykit.analysis.op_costs import CONTROL_COSTS, OP_COSTS
from deploykit.core.errors import InputError

CASES = [
    # name, graph, weights, MACs, vector operations, of them special
    (
        "conv 3x3, stride 2: 16x4x4 outputs x 3x3x3",
        "g (float[1,3,8,8] x, float[16,3,3,3] w, float[16] b)"
        " => (y) { y = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w, b) }",
        (16 * 4 * 4 * 27, 16 * 4 * 4, 0),
    ),
    (
        "depthwise 3x3: 8x6x6 outputs x 9",
        "g (float[1,8,8,8] x, float[8,1,3,3] w) => (y) { y = Conv<group=8>(x, w) }",
        (8 * 6 * 6 * 9, 0, 0),
    ),
    (
        "grouped 1x1: 8 outputs see 2 of 4 channels",
        "g (float[2,4,5,5] x, float[8,2,1,1] w) => (y) { y = Conv<group=2>(x, w) }",
        (2 * 8 * 25 * 2, 0, 0),
    ),
    (
        "conv 1-D, dilated: padding counts",
        "g (float[1,2,10] x, float[4,2,3] w) => (y) { y = Conv<dilations=[2], pads=[2,2]>(x, w) }",
        (4 * 10 * 6, 0, 0),
    ),
    (
        "conv transpose 2x2, stride 2: every input element meets 8 x 2x2 weights",
        "g (float[1,4,5,5] x, float[4,8,2,2] w) => (y) { y = ConvTranspose<strides=[2,2]>(x, w) }",
        (4 * 25 * 8 * 4, 0, 0),
    ),
    (
        "deformable conv: MACs, 2 x 6 per place, 7 per sampled value, 1 for its mask",
        "g (float[1,2,5,5] x, float[3,2,3,3] w, float[1,18,3,3] offset, float[3] b, float[1,9,3,3] mask)"
        " => (y) { y = DeformConv(x, w, offset, b, mask) }",
        (3 * 9 * 18, 9 * 9 * 12 + 9 * 9 * 2 * (7 + 1) + 27, 0),
    ),
    (
        "integer conv: a MAC is a MAC",
        "g (uint8[1,3,8,8] x, uint8[4,3,3,3] w) => (y) { y = ConvInteger(x, w) }",
        (4 * 36 * 27, 0, 0),
    ),
    (
        "gemm: 6x10x20, one addition for the bias",
        "g (float[6,20] a, float[10,20] b, float[10] c) => (y) { y = Gemm<transB=1>(a, b, c) }",
        (6 * 10 * 20, 60, 0),
    ),
    (
        "gemm: transposed, alpha is one more multiplication",
        "g (float[20,6] a, float[20,10] b) => (y) { y = Gemm<transA=1, alpha=2.0>(a, b) }",
        (6 * 10 * 20, 60, 0),
    ),
    (
        "matmul: batch dims broadcast to 2x3",
        "g (float[2,1,4,5] a, float[3,5,6] b) => (y) { y = MatMul(a, b) }",
        (2 * 3 * 4 * 5 * 6, 0, 0),
    ),
    ("matmul: vectors", "g (float[7] a, float[7] b) => (y) { y = MatMul(a, b) }", (7, 0, 0)),
    (
        "einsum that sums: b x i x j x k MACs",
        'g (float[2,3,4] a, float[2,4,5] b) => (y) { y = Einsum<equation="bij,bjk->bik">(a, b) }',
        (2 * 3 * 4 * 5, 0, 0),
    ),
    (
        "einsum that only multiplies",
        'g (float[2,3] a, float[2,3] b) => (y) { y = Einsum<equation="bi,bi->bi">(a, b) }',
        (0, 6, 0),
    ),
    (
        "einsum of three, joined from the left",
        "g (float[2,3] a, float[3,4] b, float[4,5] c)"
        ' => (y) { y = Einsum<equation="ij,jk,kl->il">(a, b, c) }',
        (2 * 3 * 4 + 2 * 4 * 5, 0, 0),
    ),
    (
        "einsum with an ellipsis, result left out",
        'g (float[6,7,2,3] a, float[3,4] b) => (y) { y = Einsum<equation="...ij,jk">(a, b) }',
        (6 * 7 * 2 * 3 * 4, 0, 0),
    ),
    ("elementwise broadcasts", "g (float[2,1,4] a, float[3,1] b) => (y) { y = Mul(a, b) }", (0, 24, 0)),
    ("division is a special operation", "g (float[5] a, float[5] b) => (y) { y = Div(a, b) }", (0, 5, 5)),
    ("maximum of three", "g (float[5] a, float[5] b, float[5] c) => (y) { y = Max(a, b, c) }", (0, 10, 0)),
    ("exact gelu", "g (float[5] x) => (y) { y = Gelu(x) }", (0, 25, 5)),
    ("tanh gelu", 'g (float[5] x) => (y) { y = Gelu<approximate="tanh">(x) }', (0, 45, 5)),
    ("softmax: max, subtract, exp, sum, divide", "g (float[2,8] x) => (y) { y = Softmax(x) }", (0, 80, 32)),
    (
        "layer norm: seven per element",
        "g (float[2,8] x, float[8] s, float[8] b) => (y) { y = LayerNormalization(x, s, b) }",
        (0, 112, 16),
    ),
    (
        "max pool 3x3",
        "g (float[1,2,6,6] x) => (y) { y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(x) }",
        (0, 72, 0),
    ),
    (
        "average pool 2x2",
        "g (float[1,2,6,6] x) => (y) { y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x) }",
        (0, 90, 0),
    ),
    ("global average pool", "g (float[1,2,6,6] x) => (y) { y = GlobalAveragePool(x) }", (0, 74, 0)),
    ("mean over rows", "g (float[4,6] x, int64[1] a) => (float[4,1] y) { y = ReduceMean(x, a) }", (0, 28, 0)),
    (
        "bilinear resize x2 over two axes: 4 multiplications, 3 additions",
        "g (float[1,2,3,3] x) => (float[1,2,6,6] y) {r = Constant<value_floats=[0.0]>()"
        ' s = Constant<value_floats=[1.0,1.0,2.0,2.0]>() y = Resize<mode="linear">(x, r, s) }',
        (0, 72 * 7, 0),
    ),
    (
        "grid sample: 12 per place, 7 per channel there",
        "g (float[1,5,8,8] x, float[1,4,4,2] g) => (y) { y = GridSample(x, g) }",
        (0, 16 * (12 + 5 * 7), 0),
    ),
    ("transpose moves", "g (float[2,3] x) => (y) { y = Transpose(x) }", (0, 0, 0)),
    (
        "quantize: scale, round, shift, clip",
        "g (float[6] x, float s, uint8 z) => (y) { y = QuantizeLinear(x, s, z) }",
        (0, 24, 0),
    ),
    (
        "top 4 of 10: log2(4) comparisons each",
        "g (float[3,10] x) => (v, i) { k = Constant<value_ints=[4]>() v, i = TopK(x, k) }",
        (0, 60, 0),
    ),
    (
        "attention: 2x4 heads, 6x6 scores, depth 8; 5 + 1 scaling per score",
        "g (float[2,4,6,8] q, float[2,4,6,8] k, float[2,4,6,8] v) => (y) { y = Attention(q, k, v) }",
        (2 * 4 * 36 * 16, 2 * 4 * 36 * 6, 2 * 4 * 36 * 2),
    ),
    (
        "causal attention: 6 x 7 / 2 scores",
        "g (float[1,1,6,8] q, float[1,1,6,8] k, float[1,1,6,8] v)"
        " => (y) { y = Attention<is_causal=1>(q, k, v) }",
        (21 * 16, 21 * 6, 21 * 2),
    ),
    (
        "LSTM: 5 steps x batch 2 x 4 gates x 3 x (7 + 3)",
        "g (float[5,2,7] x, float[1,12,7] w, float[1,12,3] r) => (y) { y = LSTM<hidden_size=3>(x, w, r) }",
        (5 * 2 * 4 * 3 * 10, 5 * 2 * 3 * 17, 5 * 2 * 3 * 5),
    ),
    (
        "GRU both ways: twice 5 x 2 x 3 gates x 3 x (7 + 3)",
        "g (float[5,2,7] x, float[2,9,7] w, float[2,9,3] r)"
        ' => (y) { y = GRU<hidden_size=3, direction="bidirectional">(x, w, r) }',
        (2 * 5 * 2 * 3 * 3 * 10, 2 * 5 * 2 * 3 * 14, 2 * 5 * 2 * 3 * 3),
    ),
    ("DFT of 8: 5 n log2 n", "g (float[3,8,1] x) => (y) { y = DFT<axis=1>(x) }", (0, 3 * 120, 0)),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_operations(graph_of: Any, text: str, expected: tuple[int, int, int]) -> None:
    opset = 23 if "Attention" in text else 17 if "DFT" in text else 21
    work = graph_works(graph_of(text, opset=opset))[-1]
    assert (work.macs, work.vector_ops, work.special_ops) == expected


def test_elements_that_move(graph_of: Any) -> None:
    text = "g (float[1,3,8,8] x, float[16,3,3,3] w, float[16] b) => (y) { y = Conv(x, w, b) }"
    (work,) = graph_works(graph_of(text, weights=("w", "b")))
    assert (work.weight_elements, work.read_elements, work.write_elements) == (432 + 16, 192, 16 * 36)


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ("g (float[2,6] x, int64[2] s) => (y) { y = Reshape(x, s) }", 0, 0),
        ("g (float[2,6] x) => (y) { y = Identity(x) }", 0, 0),
        ("g (float[2,6] x) => (y) { y = Shape(x) }", 0, 0),
        ("g (float[100,6] x, int64[3] i) => (y) { y = Gather(x, i) }", 3 + 18, 18),
        ("g (float[4,6] x, int64[2,1] i, float[2,6] u) => (y) { y = ScatterND(x, i, u) }", 24 + 2 + 12, 24),
        ("g (float[2,6] x, float[3,6] z) => (y) { y = Concat<axis=0>(x, z) }", 30, 30),
        ("g (float[5] x) => (y) { y = Mul(x, x) }", 5, 5),
        ("g (float[2,8,4] c, float[2,3,4] u) => (y) { y = TensorScatter<axis=1>(c, u) }", 24, 24),
    ],
)
def test_movement(graph_of: Any, text: str, read: int, written: int) -> None:
    work = graph_works(graph_of(text, opset=24))[-1]
    assert (work.macs, work.read_elements, work.write_elements) == (0, read, written)


def test_data_dependent_sizes_count_at_their_bound(graph_of: Any) -> None:
    graph = graph_of("g (float[4,4] x) => (y) { i = NonZero(x) f = Cast<to=1>(i) y = Relu(f) }")
    assert [work.write_elements for work in graph_works(graph)] == [32, 32, 32]  # at most 16 places of rank 2


def test_every_operator_of_the_default_domain_has_a_cost() -> None:
    schemas = {("", schema.name) for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert schemas - OP_COSTS.keys() - CONTROL_COSTS.keys() == set()
    assert list(OP_COSTS) == sorted(OP_COSTS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_conformance_model_of_onnx_can_be_counted() -> None:
    """1,300 models of all operators with all their options; only loops of unknown length may be refused."""
    from onnx.backend.test.case.node import collect_testcases

    from deploykit.analysis.summary import summarise
    from deploykit.core.graph.model import model_from_proto
    from deploykit.core.graph.normalise import normalise
    from deploykit.core.graph.shapes import infer_shapes

    refused = set()
    for case in collect_testcases(None):
        assert case.model is not None
        domains = {node.domain for node in case.model.graph.node}
        if "expanded" in case.name or not domains <= {"", "ai.onnx"}:
            continue
        model = normalise(model_from_proto(case.model, case.name))
        infer_shapes(model)
        try:
            works = graph_works(summarise(model))
        except InputError as error:
            refused |= {fault.what for fault in error.faults}
            continue
        for work in works:
            counts = (
                work.macs,
                work.special_ops,
                work.weight_elements,
                work.read_elements,
                work.write_elements,
            )
            assert min(counts) >= 0, case.name
            assert work.vector_ops >= work.special_ops, case.name
    assert refused == {
        "nobody knows how often Loop runs its body",
        "nobody knows how often SequenceMap runs its body",
        "StringSplit needs the size of 'substrings', which is not known",
    }
