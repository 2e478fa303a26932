"""Cut a part of a model out as a model of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnx import ModelProto, ValueInfoProto

from deploykit.core.errors import input_error
from deploykit.core.graph.index import GraphIndex
from deploykit.core.graph.ir_version import lowest_ir_version
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import value_infos


def extract(
    model: OnnxModel, positions: Sequence[int], inputs: Iterable[str], outputs: Iterable[str], name: str
) -> OnnxModel:
    """Give the nodes at `positions` (ascending) as a model with these inputs and outputs.

    It keeps the weights that its nodes (or their subgraphs) read or that are outputs, and the whole model's
    metadata, producer and doc string.
    """
    source = model.proto
    index = GraphIndex(source.graph)
    inputs, outputs = tuple(inputs), tuple(outputs)
    proto = ModelProto()
    _copy_frame(source, proto)
    graph = proto.graph
    graph.name, graph.doc_string = f"{source.graph.name or 'graph'}.{name}", source.graph.doc_string
    graph.node.extend(source.graph.node[at] for at in positions)
    read = {read_name for at in positions for read_name in index.reads[at]} | set(outputs)
    graph.initializer.extend(tensor for tensor in source.graph.initializer if tensor.name in read)
    graph.sparse_initializer.extend(t for t in source.graph.sparse_initializer if t.values.name in read)
    graph.quantization_annotation.extend(
        note for note in source.graph.quantization_annotation if note.tensor_name in read
    )
    known = value_infos(source)
    graph.input.extend(_typed(known, value, name) for value in inputs)
    graph.input.extend(value for value in source.graph.input if value.name in read & index.weights)
    graph.output.extend(known.get(value, ValueInfoProto(name=value)) for value in outputs)
    inside = {value for at in positions for value in source.graph.node[at].output} - set(outputs)
    graph.value_info.extend(value for value in source.graph.value_info if value.name in inside)
    proto.ir_version = lowest_ir_version(proto)
    return OnnxModel(proto, name, model.data)


def _typed(known: dict[str, ValueInfoProto], value: str, name: str) -> ValueInfoProto:
    """Give an input's declaration; a runtime cannot load a graph whose input has no type."""
    if value not in known or known[value].type.WhichOneof("value") is None:
        fix = "cut elsewhere, or add its type to the graph's value_info when you export"
        raise input_error(f"tensor {value!r}", f"segment {name!r} reads it, and its type is not known", fix)
    return known[value]


def _copy_frame(source: ModelProto, target: ModelProto) -> None:
    target.opset_import.extend(source.opset_import)
    target.producer_name, target.producer_version = source.producer_name, source.producer_version
    target.domain, target.model_version, target.doc_string = (
        source.domain,
        source.model_version,
        source.doc_string,
    )
    target.metadata_props.extend(source.metadata_props)
    target.functions.extend(source.functions)
