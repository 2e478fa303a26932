"""A draft has the segments that the split step makes."""

from __future__ import annotations

from typing import Any

import pytest

from deploykit.core.graph.model import load_model
from deploykit.stages.split.draft import draft_partition

CHAIN = """g (float[4,4] x, float[4,4] p) => (float[4,4] y, float[4,4] b) {
    a = MatMul(x, x) b = Relu(a) c = Sin(b) d = MatMul(c, p) y = Add(d, b) }"""
FOREIGN = """g (float[4] x) => (float[4] y) <float[4] s> { a = Relu(x) s = edge.ops.Splat(a) y = Neg(s) }"""


@pytest.mark.parametrize("text", [CHAIN, FOREIGN])
def test_a_draft_has_the_segments_of_the_split_step(bench: Any, text: str) -> None:
    model = bench.model(text)
    made = bench.split(model)
    loaded = load_model(bench.workspace.folder(model.files) / model.files[0].name)
    draft = draft_partition(loaded, model.graph, network="net", profile=bench.profile)
    assert (draft.inputs, draft.outputs) == (made.inputs, made.outputs)
    for own, split in zip(draft.segments, made.segments, strict=True):
        assert (own.name, own.engine, own.reason) == (split.name, split.engine, split.reason)
        assert (own.graph.inputs, own.graph.outputs) == (split.graph.inputs, split.graph.outputs)
        assert own.graph.nodes == split.graph.nodes
        assert {tensor.name for tensor in own.graph.tensors} == {
            tensor.name for tensor in split.graph.tensors
        }
