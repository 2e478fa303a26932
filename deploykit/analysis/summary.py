"""From an ONNX model to the summary that pure stages read."""

from __future__ import annotations

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto

from deploykit.artifacts.graph import AttributeValue, Dim, GraphInfo, NodeInfo, TensorInfo
from deploykit.core.dtypes import dtype_name, is_float
from deploykit.core.graph.bounds import upper_bounds
from deploykit.core.graph.external import element_count
from deploykit.core.graph.index import captured, node_id, subgraphs
from deploykit.core.graph.model import OnnxModel

MAX_CONSTANT_ELEMENTS = 64


def summarise(model: OnnxModel) -> GraphInfo:
    """Summarise a normalised model whose shapes are inferred (`normalise`, `infer_shapes`)."""
    bounds = upper_bounds(model.proto)
    return _summarise_graph(model, model.proto.graph, "", bounds)


def _summarise_graph(
    model: OnnxModel, graph: GraphProto, owner: str, bounds: dict[str, tuple[int, ...]]
) -> GraphInfo:
    weights = [_weight_info(model, tensor) for tensor in graph.initializer]
    weights += [
        TensorInfo(
            sparse.values.name, dtype_name(sparse.values.data_type), tuple(sparse.dims), is_weight=True
        )
        for sparse in graph.sparse_initializer
    ]
    names = {tensor.name for tensor in weights}
    values = {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
    made = [name for node in graph.node for name in node.output if name]
    inputs = tuple(value.name for value in graph.input if value.name not in names)
    activations = [_tensor_info(name, values.get(name), bounds.get(name)) for name in (*inputs, *made)]
    return GraphInfo(
        name=graph.name,
        opset=model.opset,
        inputs=inputs,
        outputs=tuple(value.name for value in graph.output),
        tensors=(*activations, *weights),
        nodes=tuple(_node_info(model, node, owner, bounds) for node in graph.node),
        captured=captured(graph) if owner else (),
    )


def _node_info(model: OnnxModel, node: NodeProto, owner: str, bounds: dict[str, tuple[int, ...]]) -> NodeInfo:
    identity = node_id(node, owner)
    attributes = ((attribute.name, _attribute(attribute)) for attribute in node.attribute)
    return NodeInfo(
        id=identity,
        op=node.op_type,
        domain="" if node.domain == "ai.onnx" else node.domain,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes=tuple((name, value) for name, value in attributes if value is not None),
        subgraphs=tuple(
            (name, _summarise_graph(model, graph, f"{identity}/{name}", bounds))
            for name, graph in subgraphs(node)
        ),
        name=node.name,
    )


def _attribute(attribute: AttributeProto) -> AttributeValue | None:
    match attribute.type:
        case AttributeProto.INT:
            return attribute.i
        case AttributeProto.FLOAT:
            return attribute.f
        case AttributeProto.STRING:
            return attribute.s.decode("utf-8", "replace")
        case AttributeProto.INTS:
            return tuple(attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(attribute.floats)
        case AttributeProto.STRINGS:
            return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
    return None  # tensors, graphs and types: subgraphs stand in their own field


def _weight_info(model: OnnxModel, tensor: TensorProto) -> TensorInfo:
    dtype = dtype_name(tensor.data_type)
    constant: tuple[int, ...] | tuple[float, ...] | None = None
    if element_count(tensor) <= MAX_CONSTANT_ELEMENTS and dtype not in ("string", "complex64", "complex128"):
        values = model.array(tensor).reshape(-1)
        constant = tuple(map(float, values)) if is_float(dtype) else tuple(map(int, values))
    return TensorInfo(tensor.name, dtype, tuple(tensor.dims), is_weight=True, constant=constant)


def _tensor_info(name: str, value: ValueInfoProto | None, bound: tuple[int, ...] | None) -> TensorInfo:
    if value is None:
        return TensorInfo(name, "undefined", None)
    dtype, shape = _type_of(value.type)
    return TensorInfo(name, dtype, shape, upper_bound=bound)


def _type_of(declared: TypeProto) -> tuple[str, tuple[Dim, ...] | None]:
    if declared.WhichOneof("value") != "tensor_type":
        return "undefined", None
    tensor = declared.tensor_type
    if not tensor.HasField("shape"):
        return dtype_name(tensor.elem_type), None
    return dtype_name(tensor.elem_type), tuple(_dim(dim) for dim in tensor.shape.dim)


def _dim(dim: object) -> Dim:
    kind = dim.WhichOneof("value")  # type: ignore[attr-defined]  # protobuf's repeated fields lose their element type
    return getattr(dim, kind) if kind else None
