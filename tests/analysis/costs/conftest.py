"""Graphs from ONNX text, and a chip with round numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

import onnx.parser
import pytest

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity


class GraphOf(Protocol):
    """Turns the text of an ONNX graph into its summary; `weights` names inputs that stand for weights."""

    def __call__(
        self, text: str, *, weights: Collection[str] = (), opset: int = 21, domain: str = ""
    ) -> GraphInfo:
        """Parse, normalise, infer shapes, summarise."""


@pytest.fixture
def graph_of() -> GraphOf:
    def build(text: str, *, weights: Collection[str] = (), opset: int = 21, domain: str = "") -> GraphInfo:
        imports = f'"" : {opset}' + (f', "{domain}" : 1' if domain else "")
        model = normalise(
            model_from_proto(
                onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{imports}]>\n{text}"), "m"
            )
        )
        infer_shapes(model)
        graph = summarise(model)
        return replace(
            graph,
            inputs=tuple(name for name in graph.inputs if name not in weights),
            tensors=tuple(
                replace(tensor, is_weight=tensor.is_weight or tensor.name in weights)
                for tensor in graph.tensors
            ),
        )

    return build


@pytest.fixture
def chip() -> ChipProfile:
    """An NPU of 1 Tops (int8) and 0.5 Tops (float16), a CPU of 10 Gops, 10 GB/s; the NPU lacks GridSample."""
    npu = EngineProfile(
        "npu",
        "npu",
        2,
        {"w8a8": Quantity(1e12, "test"), "float16": Quantity(5e11, "test")},
        (
            "Conv",
            "MatMul",
            "Gemm",
            "Relu",
            "Add",
            "Mul",
            "Sigmoid",
            "Reshape",
            "Identity",
            "BatchNormalization",
        ),
        fuses=("Relu", "Add", "BatchNormalization", "Sigmoid"),
    )
    cpu = EngineProfile("cpu", "cpu", 1, {"float32": Quantity(1e10, "test")}, ("*",), Quantity(1e-5, "test"))
    dram = DramProfile(Quantity(1e10, "test"))
    return ChipProfile(
        "toy", "A toy", (npu, cpu), "cpu", dram, OnChipProfile(Quantity(1e6, "test")), file="toy.yaml"
    )
