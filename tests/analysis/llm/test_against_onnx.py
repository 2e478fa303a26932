"""The same layer as an ONNX graph: costed by the operators' own rules, and run with and without a cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from numpy.typing import NDArray

from deploykit.analysis.graph_work import graph_works
from deploykit.analysis.llm.config import config_from
from deploykit.analysis.llm.operators import Pass, layer_operators
from deploykit.analysis.llm.params import LlmParams, Phase
from deploykit.analysis.summary import summarise
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session

LAYER = """<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
layer (float[1,NEW,8] x, float[1,2,PAST,16] past_k, float[1,2,PAST,16] past_v, int32[1] l, float[8] n1, float[8] n2,
       float[8,64] wq, float[8,32] wk, float[8,32] wv, float[64,8] wo, float[8,12] wg, float[8,12] wu, float[12,8] wd,
       float[9,8] c, float[9,8] s)
    => (float[1,NEW,8] y, float[1,2,ALL,16] pk, float[1,2,ALL,16] pv) <float[1,NEW,64] a> {
  h = RMSNormalization(x, n1)
  q = MatMul(h, wq)
  k = MatMul(h, wk)
  v = MatMul(h, wv)
  t = Constant<value = int32 {ALL}>()
  a, pk, pv = com.microsoft.GroupQueryAttention<num_heads=4, kv_num_heads=2, do_rotary=1, local_window_size=WINDOW>
    (q, k, v, past_k, past_v, l, t, c, s)
  o = MatMul(a, wo)
  r = Add(x, o)
  m = RMSNormalization(r, n2)
  g = MatMul(m, wg)
  u = MatMul(m, wu)
  e = Sigmoid(g)
  f = Mul(g, e)
  i = Mul(f, u)
  d = MatMul(i, wd)
  y = Add(r, d)
}"""
"""Rotated grouped attention over a cache, and a gated MLP."""

WEIGHTS = {
    "n1": (8,), "n2": (8,), "wq": (8, 64), "wk": (8, 32), "wv": (8, 32), "wo": (64, 8),
    "wg": (8, 12), "wu": (8, 12), "wd": (12, 8),
}  # fmt: skip


def _layer(phase: Phase, window: int | None) -> onnx.ModelProto:
    counts = {
        "NEW": phase.tokens,
        "PAST": phase.past,
        "ALL": phase.past + phase.tokens,
        "WINDOW": window or -1,
    }
    text = LAYER
    for word, count in counts.items():
        text = text.replace(word, str(count))
    return onnx.parser.parse_model(text)


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("phase", [Phase("prefill", 3, 0), Phase("decode", 1, 5)])
def test_a_layer_costs_what_its_onnx_graph_costs(phase: Phase, window: int | None) -> None:
    model = normalise(model_from_proto(_layer(phase, window), "m"))
    infer_shapes(model)
    works = graph_works(summarise(model))
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "vocab_size": 10}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "sliding_window": window}
    config = config_from({"model_type": "mistral", **sizes, **heads}, Path("c"))
    run = Pass(config, phase, LlmParams(flash=True))
    ours = layer_operators(run, config.layers[0])
    assert sum(item.macs for item in ours) == sum(work.macs for work in works)
    assert sum(item.vector_ops for item in ours) == sum(work.vector_ops for work in works)


@pytest.mark.parametrize("window", [None, 3])
def test_decode_with_a_cache_gives_what_the_whole_prompt_gives(window: int | None) -> None:
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in WEIGHTS.items()}
    angles = np.arange(9)[:, None] * np.logspace(0, -3, 8)
    weights |= {"c": np.cos(angles).astype(np.float32), "s": np.sin(angles).astype(np.float32)}
    tokens = random.normal(size=(1, 6, 8)).astype(np.float32)
    nothing = np.zeros((1, 2, 0, 16), np.float32)
    whole, _, _ = _run(Phase("prefill", 6, 0), window, tokens, nothing, nothing, weights)
    out, keys, values = _run(Phase("prefill", 2, 0), window, tokens[:, :2], nothing, nothing, weights)
    steps = [out]
    for past in range(2, 6):
        token = tokens[:, past : past + 1]
        out, keys, values = _run(Phase("decode", 1, past), window, token, keys, values, weights)
        steps.append(out)
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, rtol=1e-4, atol=1e-5)


Array = NDArray[np.float32]


def _run(
    phase: Phase, window: int | None, tokens: Array, keys: Array, values: Array, weights: dict[str, Array]
) -> tuple[Array, Array, Array]:
    session = open_session(_layer(phase, window).SerializeToString())
    last = np.array([phase.past + phase.tokens - 1], np.int32)
    feeds = {"x": tokens, "past_k": keys, "past_v": values, "l": last, **weights}
    out, new_keys, new_values = session.run(None, feeds)
    return out, new_keys, new_values
