"""Costs of com.microsoft operators: by hand, and against the default domain's operators that they replace.

No output has a shape in these graphs: onnx does not know the domain, so every cost derives what it needs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import onnx.parser
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state  # type: ignore[import-untyped]  # it ships no types

from deploykit.analysis.graph_work import graph_works
from deploykit.analysis.op_costs import OP_COSTS, Work
from deploykit.analysis.op_costs.work import total
from deploykit.analysis.summary import summarise
from deploykit.analysis.traffic import off_chip_bytes
from deploykit.core.errors import InputError
from deploykit.core.graph.model import load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.runtime_types import complete_types
from deploykit.core.graph.shapes import infer_shapes

DOMAIN = "com.microsoft"


def work_of(graph_of: Any, text: str, weights: Collection[str] = ()) -> Work:
    text = text.replace("ms.", f"{DOMAIN}.")
    return total(graph_works(graph_of(text, weights=weights, opset=23, domain=DOMAIN)))


def counts(work: Work) -> tuple[int, int, int]:
    return work.macs, work.vector_ops, work.special_ops


CASES = [
    # name, graph, (MACs, vector operations, of them special)
    (
        "conv, its bias, its activation: 4x3x3 outputs x 2x3x3",
        "g (float[1,2,5,5] x, float[4,2,3,3] w, float[4] b)"
        ' => (y) { y = ms.FusedConv<activation="Relu">(x, w, b) }',
        (36 * 18, 36 * 2, 0),
    ),
    (
        "conv, channels last, stride 2, a residual, a sigmoid: 3x3x4 outputs",
        "g (float[1,5,5,2] x, float[4,2,3,3] w, float[4] b, float[1,3,3,4] r) => (y) {"
        ' y = ms.NhwcFusedConv<activation="Sigmoid", strides=[2,2], pads=[1,1,1,1]>(x, w, b, r) }',
        (36 * 18, 36 * 3, 36),
    ),
    (
        "conv, same padding, stride 2: ceil(5 / 2) = 3 places an axis",
        "g (float[1,2,5,5] x, float[4,2,2,2] w)"
        ' => (y) { y = ms.FusedConv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w) }',
        (36 * 8, 0, 0),
    ),
    (
        "max pool, channels last, ceil: 3x3x2 outputs x 2x2",
        "g (uint8[1,5,5,2] x) => (y)"
        " { y = ms.NhwcMaxPool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x) }",
        (0, 18 * 4, 0),
    ),
    (
        "gemm, bias, leaky relu",
        "g (float[6,20] a, float[10,20] b, float[10] c)"
        ' => (y) { y = ms.FusedGemm<transB=1, activation="LeakyRelu", activation_alpha=0.1>(a, b, c) }',
        (6 * 10 * 20, 60 * 3, 0),
    ),
    (
        "matmul of a transposed and a scaled: 2 x (5x4) x (5x3)",
        "g (float[2,5,4] a, float[5,3] b) => (y) { y = ms.FusedMatMul<transA=1, alpha=0.5>(a, b) }",
        (2 * 4 * 3 * 5, 24, 0),
    ),
    (
        "matmul with the batch axis inside: (4,2,5) is read as (2,4,5)",
        "g (float[4,2,5] a, float[2,5,3] b) => (y) { y = ms.FusedMatMul<transBatchA=1>(a, b) }",
        (2 * 4 * 3 * 5, 0, 0),
    ),
    ("gelu", "g (float[2,3] x) => (y) { y = ms.Gelu(x) }", (0, 6 * 5, 6)),
    ("bias gelu", "g (float[2,3] x, float[3] b) => (y) { y = ms.BiasGelu(x, b) }", (0, 6 * 6, 6)),
    ("fast gelu", "g (float[2,3] x) => (y) { y = ms.FastGelu(x) }", (0, 6 * 9, 6)),
    ("fast gelu, bias", "g (float[2,3] x, float[3] b) => (y) { y = ms.FastGelu(x, b) }", (0, 6 * 10, 6)),
    ("quick gelu", "g (float[2,3] x) => (y) { y = ms.QuickGelu(x) }", (0, 6 * 3, 6)),
    (
        "bias split gelu: 2x4 biased, a gelu of half, one product",
        "g (float[1,2,4] x, float[4] b) => (y) { y = ms.BiasSplitGelu(x, b) }",
        (0, 8 + 4 * (5 + 1), 4),
    ),
    (
        "simplified layer norm, in onnxruntime's default domain",
        "g (float[2,5] x, float[5] g) => (y) { y = SimplifiedLayerNormalization(x, g) }",
        (0, 10 * 4, 10),
    ),
    (
        "skip layer norm: residual, bias, seven",
        "g (float[1,2,5] x, float[1,2,5] s, float[5] g, float[5] b, float[5] c)"
        " => (y, sum) { y, m, v, sum = ms.SkipLayerNormalization(x, s, g, b, c) }",
        (0, 10 * 9, 10),
    ),
    (
        "skip simplified layer norm: residual, four",
        "g (float[1,2,5] x, float[1,2,5] s, float[5] g)"
        " => (y) { y = ms.SkipSimplifiedLayerNormalization(x, s, g) }",
        (0, 10 * 5, 10),
    ),
    (
        "group norm with SiLU: seven, one product, one sigmoid",
        "g (float[1,2,2,4] x, float[4] g, float[4] b) => (y)"
        " { y = ms.GroupNorm<groups=2, activation=1>(x, g, b) }",
        (0, 16 * 9, 32),
    ),
    (
        "embedding of 2x3 tokens of 5: two sums, seven",
        "g (int32[2,3] i, int32[2,3] t, float[100,5] w, float[50,5] p, float[2,5] e, float[5] g, float[5] b)"
        " => (y) { y, m = ms.EmbedLayerNormalization(i, t, w, p, e, g, b) }",
        (0, 30 * 9, 30),
    ),
    (
        "rotation of half of each head",
        "g (float[1,3,8] x, int64[1,3] p, float[9,1] c, float[9,1] s)"
        " => (y) { y = ms.RotaryEmbedding<num_heads=2, rotary_embedding_dim=2>(x, p, c, s) }",
        (0, 3 * 12, 0),
    ),
    (
        "attention: 2x3 tokens of 4 to q, k, v of 4 each; 2 heads of 2; 9 scores a head",
        "g (float[2,3,4] x, float[4,12] w, float[12] b) => (y) { y = ms.Attention<num_heads=2>(x, w, b) }",
        (6 * 4 * 12 + 2 * 2 * 9 * 4, 72 + 36 * 6, 36 * 2),
    ),
    (
        "attention, causal, 2 cached tokens: 3 + 4 + 5 pairs a head",
        "g (float[1,3,4] x, float[4,12] w, float[12] b, float[2,1,2,2,2] p) => (y, q)"
        ' { y, q = ms.Attention<num_heads=2, unidirectional=1>(x, w, b, "", p) }',
        (3 * 4 * 12 + 2 * 12 * 4, 36 + 24 * 6, 24 * 2),
    ),
    (
        "attention in integers: the input is shifted, what is projected is converted and scaled",
        "g (uint8[2,3,4] x, uint8[4,12] w, float[12] b, float s, float t, uint8 z)"
        ' => (y) { y = ms.QAttention<num_heads=2>(x, w, b, s, t, "", z) }',
        (6 * 4 * 12 + 2 * 2 * 9 * 4, 72 * 3 + 24 + 36 * 6, 36 * 2),
    ),
    (
        "multi-head attention: 3 queries meet 5 keys; values of another width; an attention bias",
        "g (float[1,3,4] q, float[1,5,4] k, float[1,5,6] v, float[1,2,3,5] a)"
        ' => (y) { y = ms.MultiHeadAttention<num_heads=2>(q, k, v, "", "", a) }',
        (30 * (2 + 3), 30 * 7, 60),
    ),
    (
        "multi-head attention, packed, with a bias",
        'g (float[1,3,2,3,4] q, float[24] b) => (y) { y = ms.MultiHeadAttention<num_heads=2>(q, "", "", b) }',
        (18 * 8, 18 * 6 + 72, 36),
    ),
    (
        "one decoded token, 5 cached",
        "g (float[1,1,4] q, float[1,1,4] k, float[1,1,4] v, float[1,2,5,2] pk, float[1,2,5,2] pv) => (y, a, b)"
        ' { y, a, b = ms.DecoderMaskedMultiHeadAttention<num_heads=2>(q, k, v, "", "", pk, pv) }',
        (2 * 6 * 4, 12 * 6, 24),
    ),
    (
        "4 heads share 2, rotated, a window of 2 of 3 tokens: 1 + 2 + 2 pairs a head",
        "g (float[1,3,8] q, float[1,3,4] k, float[1,3,4] v, int32[1] l, int32 t, float[9,1] c, float[9,1] s)"
        " => (y, a, b) { y, a, b = ms.GroupQueryAttention<num_heads=4, kv_num_heads=2, do_rotary=1,"
        ' local_window_size=2>(q, k, v, "", "", l, t, c, s) }',
        (20 * 4, 20 * 6 + 3 * (24 + 12), 40),
    ),
    (
        "block-quantized weights: 2x3 rows x 16 x 32, each weight unpacked once, one bias",
        "g (float[2,3,32] x, uint8[16,2,8] w, float[16,2] s, uint8[16,1] z, float[16] b) => (y)"
        ' { y = ms.MatMulNBits<K=32, N=16, bits=4, block_size=16>(x, w, s, z, "", b) }',
        (6 * 16 * 32, 2 * 16 * 32 + 96, 0),
    ),
    (
        "block-quantized by a table of 16 values",
        "g (float[3,32] x, uint8[256] w, float[32] s) => (y)"
        " { y = ms.MatMulBnb4<K=32, N=16, block_size=16, quant_type=1>(x, w, s) }",
        (3 * 16 * 32, 2 * 16 * 32, 16 * 32),
    ),
    (
        "integer product to float: a zero point, convert, scale, bias",
        "g (uint8[3,4] a, uint8[4,5] b, float s, float t, uint8 z, float[5] c)"
        ' => (y) { y = ms.MatMulIntegerToFloat(a, b, s, t, z, "", c) }',
        (60, 12 + 15 * 3, 0),
    ),
    (
        "dynamically quantized: six and a shift per input, convert, scale",
        "g (float[3,4] a, uint8[4,5] b, float t) => (y) { y = ms.DynamicQuantizeMatMul(a, b, t) }",
        (60, 12 * 7 + 15 * 2, 0),
    ),
    (
        "quantized gemm to integers: bias, scale, round, shift, clip",
        "g (uint8[3,4] a, float s, uint8 z, uint8[5,4] b, int32[5] c)"
        " => (y) { y = ms.QGemm<transB=1>(a, s, z, b, s, z, c, s, z) }",
        (60, 15 * 5, 0),
    ),
    (
        "quantized LSTM: 4 steps, batch 2, 3 inputs, 5 hidden; 12 + 5 a unit, 6 quantize, 16 convert",
        "g (float[4,2,3] x, int8[1,3,20] w, int8[1,5,20] r, float[1] s, int8[1] z) => (y)"
        ' { y = ms.DynamicQuantizeLSTM<hidden_size=5>(x, w, r, "", "", "", "", "", s, z, s, z) }',
        (40 * 4 * 8, 40 * 17 + 6 * (24 + 40) + 40 * 16, 40 * 5),
    ),
    (
        "integer convolution, channels last: scale, round, shift, clip, bias",
        "g (uint8[1,5,5,2] x, uint8[4,2,3,3] w, int32[4] b, float s, uint8 z)"
        " => (y) { y = ms.QLinearConv<channels_last=1>(x, s, z, w, s, z, s, z, b) }",
        (36 * 18, 36 * 5, 0),
    ),
    (
        "3 tokens of 8 through 2 of 4 experts of 16: two layers, relu; a softmax of 4, one comparison each",
        "g (float[3,8] x, float[3,4] r, float[4,16,8] a, float[4,16] b, float[4,8,16] c)"
        ' => (y) { y = ms.MoE<k=2, activation_type="relu">(x, r, a, b, c) }',
        (6 * 2 * 8 * 16, 6 * (16 + 16 + 2 * 8) + 12 * 6, 24),
    ),
    (
        "one token of 8 through 1 of 4 experts of 16, in 4 bits: gate and up in one layer, then down",
        "g (float[1,8] x, float[1,4] r, uint8[4,32,4] a, float[4,32] s, uint8[4,8,8] c, float[4,8] t) => (y)"
        ' { y = ms.QMoE<k=1, activation_type="swiglu", swiglu_fusion=1>(x, r, a, s, "", c, t) }',
        (8 * 32 + 8 * 16, 16 * 3 + 2 * 8 + 4 * 6 + 2 * (8 * 32 + 8 * 16), 16 + 8),
    ),
    (
        "embedding of int4: 3 rows of 32",
        "g (uint8[100,16] d, int64[3] i, float[100,2] s, uint8[100,1] z)"
        " => (y) { y = ms.GatherBlockQuantized<block_size=16, quantize_axis=1>(d, i, s, z) }",
        (0, 96 * 2, 0),
    ),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_work_by_hand(graph_of: Any, text: str, expected: tuple[int, int, int]) -> None:
    assert counts(work_of(graph_of, text)) == expected


DECOMPOSED = [
    # a graph of com.microsoft and what it replaces
    (
        "g (uint8[2,3] a, uint8[3] b, float s, uint8 z) => (y) { y = ms.QLinearAdd(a, s, z, b, s, z, s, z) }",
        "g (uint8[2,3] a, uint8[3] b, float s, uint8 z) => (y) { p = DequantizeLinear(a, s, z)"
        " q = DequantizeLinear(b, s, z) r = Add(p, q) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[2,3] a, float s, uint8 z) => (y) { y = ms.QLinearSigmoid(a, s, z, s, z) }",
        "g (uint8[2,3] a, float s, uint8 z) => (y)"
        " { p = DequantizeLinear(a, s, z) r = Sigmoid(p) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[2,3] a, float s, uint8 z) => (y) { y = ms.QLinearLeakyRelu(a, s, z, s, z) }",
        "g (uint8[2,3] a, float s, uint8 z) => (y)"
        " { p = DequantizeLinear(a, s, z) r = LeakyRelu(p) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[2,3] a, float s, uint8 z) => (y) { y = ms.QLinearSoftmax<opset=13>(a, s, z, s, z) }",
        "g (uint8[2,3] a, float s, uint8 z) => (y)"
        " { p = DequantizeLinear(a, s, z) r = Softmax(p) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[1,2,4,4] a, float s, uint8 z) => (y) { y = ms.QLinearGlobalAveragePool(a, s, z, s, z) }",
        "g (uint8[1,2,4,4] a, float s, uint8 z) => (y)"
        " { p = DequantizeLinear(a, s, z) r = GlobalAveragePool(p) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[1,2,4,4] a, float s, uint8 z) => (y)"
        " { y = ms.QLinearAveragePool<kernel_shape=[2,2]>(a, s, z, s, z) }",
        "g (uint8[1,2,4,4] a, float s, uint8 z) => (y) { p = DequantizeLinear(a, s, z)"
        " r = AveragePool<kernel_shape=[2,2]>(p) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[2,3] a, float s, uint8 z) => (y)"
        " { y = ms.QLinearReduceMean<axes=[1], keepdims=0>(a, s, z, s, z) }",
        "g (uint8[2,3] a, float s, uint8 z) => (y) { x = Constant<value_ints=[1]>() "
        " p = DequantizeLinear(a, s, z) r = ReduceMean<keepdims=0>(p, x) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[2,3] a, uint8[2,1] b, float s, uint8 z) => (y)"
        " { y = ms.QLinearConcat<axis=1>(s, z, a, s, z, b, s, z) }",
        "g (uint8[2,3] a, uint8[2,1] b, float s, uint8 z) => (y) { p = DequantizeLinear(a, s, z)"
        " q = DequantizeLinear(b, s, z) r = Concat<axis=1>(p, q) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (bool[2,3] c, uint8[2,3] a, uint8[2,3] b, float s, uint8 z) => (y)"
        " { y = ms.QLinearWhere(c, a, s, z, b, s, z, s, z) }",
        "g (bool[2,3] c, uint8[2,3] a, uint8[2,3] b, float s, uint8 z) => (y) { p = DequantizeLinear(a, s, z)"
        " q = DequantizeLinear(b, s, z) r = Where(c, p, q) y = QuantizeLinear(r, s, z) }",
    ),
    (
        "g (uint8[3,4] a, uint8[4,5] b, float s, float t, uint8 z, float[5] c)"
        " => (y) { y = ms.MatMulIntegerToFloat(a, b, s, t, z, z, c) }",
        "g (uint8[3,4] a, uint8[4,5] b, float s, float t, uint8 z, float[5] c)"
        " => (y) { p = MatMulInteger(a, b, z, z) q = Cast<to=1>(p) r = Mul(q, s) y = Add(r, c) }",
    ),
    (
        "g (float[1,6,8,8] x, float[4,6,3,3] w, float[4] b, float[1,4,4,4] r) => (y)"
        ' { y = ms.FusedConv<activation="Tanh", strides=[2,2], pads=[1,1,1,1]>(x, w, b, r) }',
        "g (float[1,6,8,8] x, float[4,6,3,3] w, float[4] b, float[1,4,4,4] r) => (y)"
        " { p = Conv<strides=[2,2], pads=[1,1,1,1]>(x, w, b) q = Add(p, r) y = Tanh(q) }",
    ),
    (
        "g (float[1,2,5] x, float[1,2,5] s, float[5] g, float[5] b) => (y)"
        " { y = ms.SkipLayerNormalization(x, s, g, b) }",
        "g (float[1,2,5] x, float[1,2,5] s, float[5] g, float[5] b) => (y)"
        " { p = Add(x, s) y = LayerNormalization(p, g, b) }",
    ),
    (
        "g (float[2,3,4] x, float[4,12] w, float[12] b) => (y) { y = ms.Attention<num_heads=2>(x, w, b) }",
        "g (float[2,3,4] x, float[4,12] w, float[12] b) => (y) { p = MatMul(x, w) a = Add(p, b)"
        " q, k, v = Split<axis=2, num_outputs=3>(a) y = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v) }",
    ),
    (
        "g (float[2,3,4] x, float[4,12] w, float[12] b) => (y) { y = ms.Attention<num_heads=2>(x, w, b) }",
        """g (float[2,3,4] x, float[4,12] w, float[12] b, float s) => (y) {
            p = MatMul(x, w) a = Add(p, b) q, k, v = Split<axis=2, num_outputs=3>(a)
            d = Constant<value_ints=[0,0,2,2]>() qr = Reshape(q, d) kr = Reshape(k, d) vr = Reshape(v, d)
            qh = Transpose<perm=[0,2,1,3]>(qr) kh = Transpose<perm=[0,2,3,1]>(kr)
            vh = Transpose<perm=[0,2,1,3]>(vr)
            c = MatMul(qh, kh) e = Mul(c, s) f = Softmax(e) y = MatMul(f, vh)
        }""",
    ),
    (
        "g (float[1,3,8] q, float[1,3,4] k, float[1,3,4] v, int32[1] l, int32 t, float[9,1] c, float[9,1] s)"
        " => (y) { y, a, b = ms.GroupQueryAttention<num_heads=4, kv_num_heads=2, do_rotary=1>"
        '(q, k, v, "", "", l, t, c, s) }',
        "g (float[1,3,8] q, float[1,3,4] k, float[1,3,4] v, int64[1,3] p, float[9,1] c, float[9,1] s)"
        " => (y) { u = RotaryEmbedding<num_heads=4>(q, c, s, p) w = RotaryEmbedding<num_heads=2>(k, c, s, p)"
        " y = Attention<q_num_heads=4, kv_num_heads=2, is_causal=1>(u, w, v) }",
    ),
]


@pytest.mark.parametrize(("fused", "parts"), DECOMPOSED)
def test_a_fused_operator_costs_what_its_parts_cost(graph_of: Any, fused: str, parts: str) -> None:
    assert counts(work_of(graph_of, fused)) == counts(work_of(graph_of, parts))


NO_CPU_KERNEL = ("NhwcFusedConv", "BiasSplitGelu", "GroupNorm", "QLinearReduceMean")
FUSED = [case[1] for case in CASES] + [fused for fused, _ in DECOMPOSED]


@pytest.mark.parametrize("text", [text for text in FUSED if not any(op in text for op in NO_CPU_KERNEL)])
def test_outputs_have_the_sizes_that_onnxruntime_infers(graph_of: Any, text: str) -> None:
    text = text.replace("ms.", f"{DOMAIN}.")
    imports = f'<ir_version: 10, opset_import: ["" : 23, "{DOMAIN}" : 1]>'
    model = onnx.parser.parse_model(f"{imports} {text}").SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    written = {access.tensor: access.elements for access in work_of(graph_of, text).writes}
    for output in session.get_outputs():
        assert written[output.name] == math.prod(output.shape)


def test_block_quantized_weights_are_those_of_the_matmul_at_their_own_bits(graph_of: Any) -> None:
    text = """g (float[1,64] x, uint8[16,4,8] w, float16[16,4] s, uint8[16,2] z) => (y)
        { y = ms.MatMulNBits<K=64, N=16, bits=4, block_size=16>(x, w, s, z) }"""
    packed = work_of(graph_of, text, ("w", "s", "z"))
    plain = work_of(graph_of, "g (float[1,64] x, float[64,16] w) => (y) { y = MatMul(x, w) }", ("w",))
    assert packed.macs == plain.macs == 1024
    assert packed.weight_elements == plain.weight_elements + 64 + 32  # with a scale and a packed zero point
    stored = 1024 // 2 + 2 * 64 + 32  # 4-bit weights, float16 scales, two zero points a byte
    assert off_chip_bytes(packed, "float32").weight == stored
    assert off_chip_bytes(packed, "w8a8").weight == stored  # the scheme of activations changes none of it
    assert off_chip_bytes(packed, "w8a8").total == stored + 64 + 16


def test_an_odd_width_keeps_its_bytes(graph_of: Any) -> None:
    text = """g (float[1,32] x, uint8[8,1,12] w, float[8,1] s) => (y)
        { y = ms.MatMulNBits<K=32, N=8, bits=3, block_size=32>(x, w, s) }"""
    packed = work_of(graph_of, text, ("w", "s"))
    assert off_chip_bytes(packed, "float16").weight == 32 * 8 * 3 // 8 + 4 * 8


def test_experts_are_read_as_far_as_tokens_can_choose_them(graph_of: Any) -> None:
    text = """g (float16[TOKENS,8] x, float16[TOKENS,4] r, uint8[4,32,4] a, float16[4,32] s, uint8[4,8,8] c,
        float16[4,8] t) => (y)
        { y = ms.QMoE<k=1, activation_type="swiglu", swiglu_fusion=1>(x, r, a, s, "", c, t) }"""
    each = 32 * 8 // 2 + 8 * 16 // 2 + 2 * (32 + 8)  # 4-bit weights, float16 scales
    weights = ("a", "s", "c", "t")
    for tokens, chosen in ((1, 1), (3, 3), (100, 4)):
        work = work_of(graph_of, text.replace("TOKENS", str(tokens)), weights)
        assert off_chip_bytes(work, "w8a8").weight == chosen * each


def test_an_embedding_reads_the_rows_that_it_gives(graph_of: Any) -> None:
    text = """g (uint8[100,16] d, int64[3] i, float16[100,2] s, uint8[100,1] z) => (y)
        { y = ms.GatherBlockQuantized<block_size=16, quantize_axis=1>(d, i, s, z) }"""
    moved = off_chip_bytes(work_of(graph_of, text, ("d", "s", "z")), "float16")
    assert moved.weight == 3 * (16 + 2 * 2 + 1)
    assert (moved.read, moved.write) == (3 * 8, 3 * 32 * 2)


def test_the_tables_of_an_embedding_are_read_by_row(graph_of: Any) -> None:
    text = """g (int32[2,3] i, float[100,5] w, float[50,5] p, float[5] g, float[5] b) => (y)
        { y = ms.EmbedLayerNormalization(i, "", w, p, "", g, b) }"""
    work = work_of(graph_of, text, ("w", "p", "g", "b"))
    assert work.weight_elements == 6 * 5 + 3 * 5 + 10  # all sentences share their positions


CACHED = """g (float16[1,1,8] q, float16[1,1,4] k, float16[1,1,4] v, float16[1,2,LONG,2] pk,
    float16[1,2,LONG,2] pv, int32[1] l) => (y, a, b) {
    t = Constant<value = int32 {6}>()
    y, a, b = ms.GroupQueryAttention<num_heads=4, kv_num_heads=2>(q, k, v, pk, pv, l, t)
}"""


def test_a_cache_that_is_copied_moves_whole(graph_of: Any) -> None:
    work = work_of(graph_of, CACHED.replace("LONG", "5"))
    assert work.macs == 4 * 6 * 4
    moved = {access.tensor: access.elements for access in (*work.reads, *work.writes)}
    assert (moved["pk"], moved["pv"], moved["a"], moved["b"]) == (20, 20, 24, 24)


def test_a_cache_that_is_shared_is_read_as_far_as_it_is_filled(graph_of: Any) -> None:
    work = work_of(graph_of, CACHED.replace("LONG", "1024"))
    assert work.macs == 4 * 6 * 4
    moved = {access.tensor: access.elements for access in (*work.reads, *work.writes)}
    assert (moved["pk"], moved["pv"], moved["a"], moved["b"]) == (20, 20, 4, 4)
    assert off_chip_bytes(work, "float16").write == 2 * (8 + 4 + 4)


def test_a_window_of_a_cache_may_be_shorter_than_the_prompt(graph_of: Any) -> None:
    text = """g (float[1,5,8] q, float[1,5,4] k, float[1,5,4] v, float[1,2,3,2] pk, float[1,2,3,2] pv,
        int32[1] l, int32 t) => (y, float[1,2,3,2] a, float[1,2,3,2] b)
        { y, a, b = ms.GroupQueryAttention<num_heads=4, kv_num_heads=2, local_window_size=3,
            sliding_window_cache=1>(q, k, v, pk, pv, l, t) }"""
    work = work_of(graph_of, text)
    assert work.macs == 4 * (1 + 2 + 3 + 3 + 3) * 4
    moved = {access.tensor: access.elements for access in (*work.reads, *work.writes)}
    assert (moved["pk"], moved["a"]) == (0, 12)  # nothing cached is needed, three tokens stay


def test_a_quantized_weight_that_is_added_is_dequantized_beforehand(graph_of: Any) -> None:
    text = (
        "g (uint8[2,3] a, uint8[3] b, float s, uint8 z) => (y) { y = ms.QLinearMul(a, s, z, b, s, z, s, z) }"
    )
    assert counts(work_of(graph_of, text, ("b",))) == (0, 6 * (2 + 1 + 4), 0)
    assert counts(work_of(graph_of, text)) == (0, 6 * (2 + 1 + 4) + 3 * 2, 0)


def test_an_activation_without_a_cost_is_named(graph_of: Any) -> None:
    text = """g (float[1,2,5,5] x, float[4,2,3,3] w) => (y)
        { y = com.microsoft.FusedConv<activation="Blur">(x, w) }"""
    graph = graph_of(text, domain=DOMAIN)
    with pytest.raises(
        InputError, match=r"no cost is known for com\.microsoft:FusedConv with activation 'Blur'"
    ):
        graph_works(graph)


def test_an_input_of_unknown_size_is_named(graph_of: Any) -> None:
    graph = graph_of("g (float[B,8] x) => (y) { y = com.microsoft.Gelu(x) }", domain=DOMAIN)
    with pytest.raises(InputError, match=r"com\.microsoft:Gelu needs the size of 'x'"):
        graph_works(graph)


def test_only_operators_that_exist_are_listed() -> None:
    known = {(schema.domain, schema.name) for schema in onnxruntime_pybind11_state.get_all_operator_schema()}
    assert {key for key in OP_COSTS if key[0] == DOMAIN} <= known


def test_the_guide_has_every_operator() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "accounting.md").read_text()
    named = set(re.findall(r"\w+", guide))
    assert {op for domain, op in OP_COSTS if domain == DOMAIN} - named == set()


def test_a_network_that_onnxruntime_fused_costs_as_much_and_moves_less(tmp_path: Path) -> None:
    plain = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_squeezenet.onnx"
    fused = tmp_path / "fused.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(fused)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    before, after = whole(plain), whole(fused)
    assert counts(after) == counts(before)
    relus = before.write_elements - after.write_elements
    assert relus == before.read_elements - after.read_elements > 0


def whole(path: Path) -> Work:
    model = normalise(load_model(path))
    infer_shapes(model)
    complete_types(model)
    graph = summarise(model)
    assert any(node.domain == DOMAIN for node in graph.nodes) == (path.name == "fused.onnx")
    return total(graph_works(graph))
