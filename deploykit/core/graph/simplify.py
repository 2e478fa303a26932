"""onnxsim, kept within bounds."""

from __future__ import annotations

from onnx import ModelProto

from deploykit.core.graph.index import all_graphs
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.onnxsim_process import run_onnxsim
from deploykit.core.graph.shapes import infer_shapes

LIMIT_BYTES = 1 << 30
"""Models above this size of weights are not simplified: onnxsim needs them in one protobuf, several times
over."""

SLACK_BYTES = 1 << 12

SKIPPED = ["eliminate_duplicate_initializer"]
"""Weights of equal values keep their own names; the split stores their bytes once."""

FOLDING: tuple[dict[str, bool | str], ...] = (
    {},
    {"tensor_size_threshold": "4KB"},
    {"initializers_as_constants": False},
)
"""onnxsim's settings, tried in this order until the result is small enough: fold everything, fold small
constants only, leave the weights alone (folding a Transpose of a tied weight stores it twice)."""


def simplified(model: OnnxModel, growth_cap: float) -> OnnxModel | str:
    """Give the model simplified by onnxsim, or the reason why it stays as it is.

    `growth_cap` bounds how much larger the file may get (0.1: a tenth): folding can blow a constant up.
    """
    whole = model.inlined(LIMIT_BYTES)
    if whole is None:
        return f"its weights exceed {LIMIT_BYTES} bytes"
    allowed = int(whole.ByteSize() * (1 + growth_cap)) + SLACK_BYTES
    settings = [{"skipped_optimizers": SKIPPED, **folding} for folding in FOLDING]
    smaller = run_onnxsim(whole, settings, allowed)
    if isinstance(smaller, str):
        return smaller
    if _interface(smaller) != _interface(whole):
        return "onnxsim changed its inputs or outputs"
    _restore_frame(whole, smaller)
    _plain_sums(smaller)
    result = normalise(OnnxModel(smaller, model.name))
    infer_shapes(result)
    result.notices = list(model.notices)
    return result


def _plain_sums(model: ModelProto) -> None:
    """Write a Sum of two as an Add, which is the same and which every chip knows."""
    for graph in all_graphs(model.graph):
        for node in graph.node:
            if node.op_type == "Sum" and node.domain in ("", "ai.onnx") and len(node.input) == 2:
                node.op_type = "Add"


def _interface(model: ModelProto) -> tuple[list[str], list[str]]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    return inputs, [value.name for value in model.graph.output]


def _restore_frame(source: ModelProto, target: ModelProto) -> None:
    """Put back what describes the model: onnxsim adds metadata of its own."""
    target.ClearField("metadata_props")
    target.metadata_props.extend(source.metadata_props)
    target.producer_name, target.producer_version = source.producer_name, source.producer_version
    target.domain, target.model_version, target.doc_string = (
        source.domain,
        source.model_version,
        source.doc_string,
    )
    target.graph.name, target.graph.doc_string = source.graph.name, source.graph.doc_string
