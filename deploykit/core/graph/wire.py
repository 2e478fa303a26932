"""The first look at a model file: its outer fields, read without parsing the graph.

A protobuf message is a row of (field number, wire type, content). Only the outer row of a `ModelProto` is
walked here: versions are known even where the graph is of a newer kind, and a cut-off file is told from a
foreign one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from deploykit.core.errors import InputError, input_error

VARINT, BYTES = 0, 2
EXPORT_AGAIN = "export or download it again"

_WIRE_TYPES = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES}
_WIRE_TYPES |= {20: BYTES, 25: BYTES, 26: BYTES}
_GRAPH = 7
_MAX_PROTOBUF_BYTES = (1 << 31) - 1


@dataclass
class Header:
    """What the outer fields say. `opsets` maps a domain ("" is ONNX's own) to its version."""

    ir_version: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    has_graph: bool = False


def read_header(content: bytes, path: Path) -> Header:
    """Walk the outer fields of a model file. Raises InputError for an empty, foreign or cut-off file."""
    _refuse_foreign(content, path)
    header = Header()
    position = 0
    while position < len(content):
        try:
            key, position = _varint(content, position)
            number, wire_type = key >> 3, key & 7
            if _WIRE_TYPES.get(number, _of_newer_ir(header, wire_type)) != wire_type:
                raise _not_onnx(path)
            value, position = _varint(content, position)
        except IndexError:
            raise _truncated(path, len(content)) from None
        if wire_type == VARINT:
            header.ir_version = value if number == 1 else header.ir_version
            continue
        if position + value > len(content):
            raise _truncated(path, len(content), position + value) if header.ir_version else _not_onnx(path)
        _take(header, number, content[position : position + value] if number != _GRAPH else b"")
        position += value
    if not header.has_graph:
        raise _truncated(path, len(content)) if header.ir_version else _not_onnx(path)
    return header


def _of_newer_ir(header: Header, wire_type: int) -> int | None:
    """Let unknown fields pass once the file has shown to be a model."""
    return wire_type if header.ir_version and wire_type in (VARINT, BYTES) else None


def refuse_oversized(path: Path) -> None:
    """Raise InputError for a file that no protobuf can hold, before it is read."""
    size = path.stat().st_size
    if size > _MAX_PROTOBUF_BYTES:
        raise input_error(
            path.name,
            f"{size} bytes in one file; a protobuf message holds less than 2 GiB",
            "save the model with external data (onnx.save_model(..., save_as_external_data=True))",
        )


def _take(header: Header, number: int, content: bytes) -> None:
    if number == _GRAPH:
        header.has_graph = True
    elif number == 2:
        header.producer = content.decode("utf-8", "replace")
    elif number == 8:
        domain, version = _opset(content)
        header.opsets["" if domain == "ai.onnx" else domain] = version


def _opset(content: bytes) -> tuple[str, int]:
    domain, version, position = "", 0, 0
    while position < len(content):
        key, position = _varint(content, position)
        value, position = _varint(content, position)
        if key >> 3 == 1:
            domain = content[position : position + value].decode("utf-8", "replace")
            position += value
        elif key >> 3 == 2:
            version = value
    return domain, version


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if not byte & 0x80:
            return value, position
        if shift > 63:
            raise IndexError(position)


def _refuse_foreign(content: bytes, path: Path) -> None:
    if not content:
        raise input_error(path.name, "the file is empty", EXPORT_AGAIN)
    if content.startswith(b"version https://git-lfs"):
        raise input_error(path.name, "a Git LFS pointer, not the model", "fetch it with `git lfs pull`")


def _not_onnx(path: Path) -> InputError:
    return input_error(path.name, "not an ONNX file", "give a model in ONNX's binary format (.onnx)")


def _truncated(path: Path, size: int, needed: int | None = None) -> InputError:
    expected = f", at least {needed} are needed" if needed else ""
    return input_error(path.name, f"the file is cut off: {size} bytes are there{expected}", EXPORT_AGAIN)
