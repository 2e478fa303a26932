"""Types that ONNX's inference does not know, as onnxruntime's own operators have them."""

from __future__ import annotations

from onnx import ModelProto, ValueInfoProto

from deploykit.core.dtypes import element_type
from deploykit.core.errors import InputError
from deploykit.core.graph.bounds import static_shape
from deploykit.core.graph.foreign import node_is_foreign
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes, value_infos
from deploykit.core.runtime import open_session

LIMIT_BYTES = 1 << 30


def complete_types(model: OnnxModel) -> None:
    """Ask onnxruntime for the types that are still unknown, then infer shapes once more.

    Nothing changes where the model cannot be loaded: messages name what is missing when it is needed.
    """
    known = value_infos(model.proto)
    nodes = model.proto.graph.node
    unknown = [name for node in nodes for name in node.output if name and not _has_type(known.get(name))]
    if not unknown or any(node_is_foreign(node) for node in nodes):
        return
    probe: ModelProto | None = model.inlined(LIMIT_BYTES)
    if probe is None:
        return
    shown = {value.name for value in probe.graph.output}
    probe.graph.output.extend(ValueInfoProto(name=name) for name in unknown if name not in shown)
    try:
        session = open_session(probe.SerializeToString())
    except InputError:
        return
    for found in session.get_outputs():
        name = found.type.removeprefix("tensor(").removesuffix(")")
        if found.name in unknown and found.type.startswith("tensor("):
            _declare(model, found.name, name, found.shape)
    infer_shapes(model)


def _declare(model: OnnxModel, tensor: str, dtype: str, shape: list[int | str | None]) -> None:
    known = value_infos(model.proto)
    value = known[tensor] if tensor in known else model.proto.graph.value_info.add(name=tensor)
    declared = value.type.tensor_type
    declared.elem_type = element_type(dtype)
    if static_shape(value) is None and not declared.HasField("shape"):
        for size in shape or []:
            if isinstance(size, int):
                declared.shape.dim.add(dim_value=size)
            else:
                declared.shape.dim.add(dim_param=size or "")


def _has_type(value: ValueInfoProto | None) -> bool:
    if value is None:
        return False
    kind = value.type.WhichOneof("value")
    return kind is not None and (kind != "tensor_type" or bool(value.type.tensor_type.elem_type))
