"""Write a model: small weights inside, large ones beside it, copied by byte range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from onnx import ModelProto, TensorProto

from deploykit.core.graph.external import ByteRange, all_tensors, key_of
from deploykit.core.graph.model import SMALL_BYTES, OnnxModel, tensor_bytes

INLINE_LIMIT_BYTES = 1 << 28
"""Above this size of weights a model is written with a data file, so that no protobuf comes near 2 GiB."""

ALIGNMENT_BYTES = 4096
"""Weights start on page borders, so that runtimes can map them."""


@dataclass(frozen=True)
class Placed:
    """Where a tensor's bytes lie in a data file that exists already."""

    location: str
    offset: int
    length: int


def save_model(
    model: OnnxModel, folder: Path, stem: str, placed: Mapping[str, Placed] | None = None
) -> list[Path]:
    """Write `<stem>.onnx`, and `<stem>.data` where weights stay outside; gives the files, the model first.

    Weights outside are those that were so in the source, all large ones of a model above
    `INLINE_LIMIT_BYTES`, and those in `placed` (by tensor name), whose data file the caller has written.
    """
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    move_all = sum(_inline_bytes(tensor) for tensor in all_tensors(proto.graph)) > INLINE_LIMIT_BYTES
    data_file = folder / f"{stem}.data"
    written: dict[str, Placed] = {}
    with data_file.open("w+b") as stream:
        for tensor in all_tensors(proto.graph):
            external = tensor.data_location == TensorProto.EXTERNAL
            key = key_of(tensor) if external else ""
            if placed and tensor.name in placed:
                _point(tensor, placed[tensor.name])
            elif external and key in written:
                _point(tensor, written[key])
            elif external or (move_all and _inline_bytes(tensor) > SMALL_BYTES):
                place = append(stream, model.bytes_of(tensor), data_file.name)
                written[key or tensor.name] = place
                _point(tensor, place)
    if not written:
        data_file.unlink()
    target = folder / f"{stem}.onnx"
    target.write_bytes(proto.SerializeToString(deterministic=True))
    return [target, data_file] if written else [target]


def append(target: BinaryIO, content: ByteRange | bytes, location: str) -> Placed:
    """Add bytes at the next aligned place of an open data file."""
    offset = -(-target.seek(0, 2) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    target.truncate(offset)
    target.seek(offset)
    if isinstance(content, bytes):
        target.write(content)
        return Placed(location, offset, len(content))
    content.copy_to(target)
    return Placed(location, offset, content.length)


def _point(tensor: TensorProto, place: Placed) -> None:
    for field in (
        "raw_data",
        "float_data",
        "int32_data",
        "int64_data",
        "double_data",
        "uint64_data",
        "external_data",
    ):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place.location), ("offset", place.offset), ("length", place.length)):
        tensor.external_data.add(key=key, value=str(value))


def _inline_bytes(tensor: TensorProto) -> int:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return 0
    return tensor_bytes(tensor)
