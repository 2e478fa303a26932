"""A model in memory: its structure as a protobuf, its large weights as byte ranges of files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from deploykit.core.dtypes import bits, dtype_name, numpy_dtype, size_bytes
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.graph.external import ByteRange, all_tensors, element_count, key_of, resolve
from deploykit.core.graph.wire import EXPORT_AGAIN, Header, read_header, refuse_oversized

SMALL_BYTES = 1024
"""Tensors up to this size stay in the protobuf: shape inference and constant folding want to see them."""


@dataclass
class OnnxModel:
    """A model whose external tensors are entries of `data` (by `external.key_of`); `notices` are for the
    user."""

    proto: ModelProto
    name: str
    data: dict[str, ByteRange] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return next(
            (entry.version for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")), 0
        )

    def weight_bytes(self) -> int:
        """Give the size of all initializers together, wherever they lie."""
        return sum(tensor_bytes(tensor) for tensor in self.proto.graph.initializer)

    def bytes_of(self, tensor: TensorProto) -> ByteRange | bytes:
        """Give a tensor's packed content: a range of a file, or bytes."""
        if tensor.data_location == TensorProto.EXTERNAL:
            return self.data[key_of(tensor)]
        if tensor.HasField("raw_data"):
            return tensor.raw_data
        return numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data

    def array(self, tensor: TensorProto) -> NDArray[Any]:
        """Give a tensor's values; those in a file are mapped, not read."""
        if tensor.data_location != TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        place = self.data[key_of(tensor)]
        name = dtype_name(tensor.data_type)
        if bits(name) < 8 or place.length == 0:
            inline = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=place.read())
            return numpy_helper.to_array(inline)
        mapped = numpy.memmap(place.file, numpy_dtype(name), "r", place.offset, tuple(tensor.dims))
        return numpy.asarray(mapped)

    def copy(self) -> OnnxModel:
        """Give an independent copy; external bytes are shared."""
        proto = ModelProto()
        proto.CopyFrom(self.proto)
        return OnnxModel(proto, self.name, dict(self.data), list(self.notices))

    def inlined(self, limit_bytes: int) -> ModelProto | None:
        """Give the model as one protobuf with all weights inside, or None where these exceed
        `limit_bytes`."""
        if sum(place.length for place in self.data.values()) > limit_bytes:
            return None
        proto = ModelProto()
        proto.CopyFrom(self.proto)
        for tensor in all_tensors(proto.graph):
            if tensor.data_location == TensorProto.EXTERNAL:
                inline(tensor, self.data[key_of(tensor)].read())
        return proto


def inline(tensor: TensorProto, content: bytes) -> None:
    """Put a tensor's bytes into the protobuf."""
    tensor.raw_data = content
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT


def tensor_bytes(tensor: TensorProto) -> int:
    """Give the packed size of a tensor; strings count as they are."""
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    return size_bytes(dtype_name(tensor.data_type), element_count(tensor))


def load_model(path: Path) -> OnnxModel:
    """Read a model file as it is, without its external weights. Raises InputError with every fault of the
    files.

    Nothing is normalised yet, but versions that the installed onnx does not know are refused or noted.
    """
    if not path.is_file():
        raise input_error(str(path), "there is no such file", "check the path of the model")
    refuse_oversized(path)
    content = path.read_bytes()
    header = read_header(content, path)
    try:
        proto = ModelProto.FromString(content)
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise input_error(path.name, "the file is damaged: the graph cannot be read", EXPORT_AGAIN) from error
    model = OnnxModel(proto, path.name, resolve(proto.graph, path))
    _check_versions(model, header)
    _check_sizes(model)
    for tensor in all_tensors(proto.graph):
        if tensor.data_location == TensorProto.EXTERNAL and tensor_bytes(tensor) <= SMALL_BYTES:
            inline(tensor, model.data[key_of(tensor)].read())
    return model


def model_from_proto(proto: ModelProto, name: str) -> OnnxModel:
    """Take a model that is in memory already, all weights inside."""
    return OnnxModel(proto, name)


def _check_versions(model: OnnxModel, header: Header) -> None:
    known = onnx.defs.onnx_opset_version()
    opset = header.opsets.get("", 0)
    if opset > known:
        raise input_error(
            model.name,
            f"it uses opset {opset}; onnx {onnx.__version__} knows opsets up to {known}",
            "export it with a lower opset, or install a newer onnx and onnxruntime",
        )
    if header.ir_version > onnx.IR_VERSION:
        model.notices.append(
            f"IR version {header.ir_version} is newer than {onnx.IR_VERSION}, the newest that onnx "
            f"{onnx.__version__} knows; the operators are known, so it is written "
            "again with the lowest IR version that they need"
        )


def _check_sizes(model: OnnxModel) -> None:
    faults = []
    for tensor in all_tensors(model.proto.graph):
        if any(size < 0 for size in tensor.dims):
            faults.append(
                Fault(f"tensor {tensor.name!r}", f"its shape {list(tensor.dims)} is negative", EXPORT_AGAIN)
            )
        elif tensor.HasField("raw_data") and len(tensor.raw_data) != tensor_bytes(tensor):
            what = f"{len(tensor.raw_data)} bytes are there, its shape needs {tensor_bytes(tensor)}"
            faults.append(Fault(f"tensor {tensor.name!r}", what, EXPORT_AGAIN))
    if faults:
        raise InputError(*faults)
