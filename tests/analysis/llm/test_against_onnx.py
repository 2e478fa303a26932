"""The same layer as an ONNX graph, costed by the operators' own rules."""

from __future__ import annotations

from pathlib import Path

import onnx.parser
import pytest

from deploykit.analysis.graph_work import graph_works
from deploykit.analysis.llm.config import config_from
from deploykit.analysis.llm.operators import Pass, layer_operators
from deploykit.analysis.llm.params import LlmParams, Phase
from deploykit.analysis.summary import summarise
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes

LAYER = """<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
layer (float[1,3,8] x, float[8] n1, float[8] n2, float[8,16] wq, float[8,8] wk, float[8,8] wv, float[16,8] wo,
       float[8,12] wg, float[8,12] wu, float[12,8] wd, int32[1] l, int32 t, float[9,2] c, float[9,2] s)
    => (float[1,3,8] y) <float[1,3,16] a, float[1,2,3,4] pk, float[1,2,3,4] pv> {
  h = RMSNormalization(x, n1)
  q = MatMul(h, wq)
  k = MatMul(h, wk)
  v = MatMul(h, wv)
  a, pk, pv = com.microsoft.GroupQueryAttention<num_heads=4, kv_num_heads=2, do_rotary=1, WINDOW>
    (q, k, v, "", "", l, t, c, s)
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


@pytest.mark.parametrize("window", [None, 2])
def test_a_layer_costs_what_its_onnx_graph_costs(window: int | None) -> None:
    model = normalise(
        model_from_proto(
            onnx.parser.parse_model(LAYER.replace("WINDOW", f"local_window_size={window or -1}")), "m"
        )
    )
    infer_shapes(model)
    works = graph_works(summarise(model))
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "vocab_size": 10}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "sliding_window": window}
    config = config_from({"model_type": "mistral", **sizes, **heads}, Path("c"))
    run = Pass(config, Phase("prefill", 3, 0), LlmParams(flash=True))
    ours = layer_operators(run, config.layers[0])
    assert sum(item.macs for item in ours) == sum(work.macs for work in works)
    assert sum(item.vector_ops for item in ours) == sum(work.vector_ops for work in works)
