"""Graphs from ONNX text; what stands in `weights` counts as one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import onnx.parser
import pytest

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes


@pytest.fixture
def graph_of() -> Callable[..., GraphInfo]:
    def build(text: str, *, weights: Collection[str] = ()) -> GraphInfo:
        proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]>\n{text}')
        model = normalise(model_from_proto(proto, "m"))
        infer_shapes(model)
        graph = summarise(model)
        return replace(
            graph,
            inputs=tuple(name for name in graph.inputs if name not in weights),
            tensors=tuple(replace(t, is_weight=t.is_weight or t.name in weights) for t in graph.tensors),
        )

    return build
