"""From one version of ONNX's operators to another. Callers prove the result equal."""

from __future__ import annotations

import onnx
from onnx import ModelProto, NodeProto

from deploykit.core.graph.index import all_graphs, describe
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.opset_rules import DOWN_RULES, Blocked
from deploykit.core.graph.shapes import infer_shapes

LIMIT_BYTES = 1 << 30


def with_opset(model: OnnxModel, target: int) -> OnnxModel | str:
    """Give the model in opset `target`, or the reason why it cannot be: for a lower one the first operator
    in the way."""
    if target == model.opset:
        return model
    whole = model.inlined(LIMIT_BYTES)
    if whole is None:
        return f"its weights exceed {LIMIT_BYTES} bytes"
    try:
        converted = _raised(whole, target) if target > model.opset else _lowered(whole, model.opset, target)
    except Blocked as blocked:
        return str(blocked)
    if _interface(converted) != _interface(whole):
        return "the conversion changed its inputs or outputs"
    result = normalise(OnnxModel(converted, model.name))
    infer_shapes(result)
    result.notices = list(model.notices)
    return result


def _raised(model: ModelProto, target: int) -> ModelProto:
    import onnx.version_converter

    try:
        raised = onnx.version_converter.convert_version(model, target)
    except Exception as error:  # onnx raises its own C++ errors as RuntimeError and others
        raise Blocked(f"onnx cannot convert it: {' '.join(str(error).split())[:200]}") from error
    raised.ClearField("metadata_props")
    raised.metadata_props.extend(model.metadata_props)
    raised.doc_string, raised.graph.doc_string = model.doc_string, model.graph.doc_string
    return raised


def _lowered(model: ModelProto, version: int, target: int) -> ModelProto:
    lowered = ModelProto()
    lowered.CopyFrom(model)
    for graph in all_graphs(lowered.graph):
        shapes = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        for node in graph.node:
            if node.domain in ("", "ai.onnx"):
                _lower_node(node, graph, shapes, version, target)
    for entry in lowered.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = target
    return lowered


def _lower_node(
    node: NodeProto, graph: onnx.GraphProto, shapes: onnx.GraphProto, version: int, target: int
) -> None:
    newer = onnx.defs.get_schema(node.op_type, version)
    try:
        older = onnx.defs.get_schema(node.op_type, target)
    except onnx.defs.SchemaError:
        raise Blocked(
            f"opset {target} has no {node.op_type}: {describe(node)} needs opset {newer.since_version}"
        ) from None
    if older.since_version == newer.since_version:
        return
    rule = DOWN_RULES.get(node.op_type)
    if rule is not None and rule(node, graph, shapes, older):
        return
    unknown = [attribute.name for attribute in node.attribute if attribute.name not in older.attributes]
    if unknown:
        raise Blocked(
            f"{describe(node)} sets {unknown[0]!r}, which {node.op_type} of opset {target} does not have"
        )
    if len(node.input) > older.max_input:
        what = f"has {len(node.input)} inputs, {node.op_type} of opset {target} takes {older.max_input}"
        raise Blocked(f"{describe(node)} {what}")
    if len(node.input) < older.min_input:
        what = f"has {len(node.input)} inputs, {node.op_type} of opset {target} needs {older.min_input}"
        raise Blocked(f"{describe(node)} {what}")


def _interface(model: ModelProto) -> tuple[list[str], list[str]]:
    return [value.name for value in model.graph.input], [value.name for value in model.graph.output]
