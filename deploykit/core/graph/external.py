"""External data: where a weight's bytes lie, checked before anyone reads them.

A location is relative to the model's folder and stays inside it, links included. A model that is a link
itself may have its data beside the link or beside the real file; the working directory never matters.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from onnx import AttributeProto, GraphProto, TensorProto

from deploykit.core.dtypes import dtype_name, size_bytes
from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.index import all_graphs

CHUNK_BYTES = 1 << 24
PAGE_BYTES = 4096


@dataclass(frozen=True)
class ByteRange:
    """Half-open bytes [offset, offset + length) of a file."""

    file: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """Read the whole range; for small tensors."""
        buffering = 0 if self.length < PAGE_BYTES else -1  # a buffer reads a page for a bias of 200 bytes
        with self.file.open("rb", buffering) as stream:
            stream.seek(self.offset)
            return stream.read(self.length)

    def copy_to(self, target: BinaryIO) -> None:
        """Append the range to an open file; holes of a sparse file stay holes."""
        start = target.tell()
        with self.file.open("rb") as stream:
            for begin, end in _filled(stream.fileno(), self.offset, self.offset + self.length):
                target.seek(start + begin - self.offset)
                stream.seek(begin)
                while begin < end:
                    chunk = stream.read(min(CHUNK_BYTES, end - begin))
                    target.write(chunk)
                    begin += len(chunk)
        target.flush()
        os.ftruncate(target.fileno(), max(start + self.length, os.fstat(target.fileno()).st_size))
        target.seek(start + self.length)


def all_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Give every tensor of a graph: initializers and attributes, also inside subgraphs."""
    for inner in all_graphs(graph):
        yield from inner.initializer
        for sparse in inner.sparse_initializer:
            yield sparse.values
            yield sparse.indices
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR:
                    yield attribute.t
                yield from attribute.tensors


def element_count(tensor: TensorProto) -> int:
    """Give how many values a tensor has."""
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def resolve(graph: GraphProto, path: Path) -> dict[str, ByteRange]:
    """Find the bytes of every external tensor; the key is `key_of` it. Raises InputError with all faults."""
    homes = list(dict.fromkeys([path.absolute().parent.resolve(), path.resolve().parent]))
    found: dict[str, ByteRange] = {}
    files: dict[str, tuple[Path, int]] = {}  # thousands of weights share a file
    faults: list[Fault] = []
    for tensor in all_tensors(graph):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        try:
            found[key_of(tensor)] = _locate(tensor, homes, files)
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return found


def key_of(tensor: TensorProto) -> str:
    """Give what identifies an external tensor's bytes inside one model."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    size = entries.get("length") or str(size_bytes(dtype_name(tensor.data_type), element_count(tensor)))
    return f"{entries.get('location', '')}\n{entries.get('offset', '0') or '0'}\n{size}"


def _locate(tensor: TensorProto, homes: list[Path], files: dict[str, tuple[Path, int]]) -> ByteRange:
    where = f"tensor {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if location not in files:
        _refuse_outside(where, location)
        found = _find(where, location, homes)
        files[location] = found, found.stat().st_size
    file, size = files[location]
    expected = size_bytes(dtype_name(tensor.data_type), element_count(tensor))
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or expected)
    except ValueError:
        raise _fault(where, f"its offset or length in {location!r} is not a number", _SAVE_AGAIN) from None
    if length != expected or offset < 0:
        raise _fault(
            where, f"its entry gives {length} bytes from {offset}, its shape needs {expected}", _SAVE_AGAIN
        )
    if offset + length > size:
        what = f"its data file {location!r} is cut off: {size} bytes are there, {offset + length} are needed"
        raise _fault(where, what, "copy or download the data file again")
    return ByteRange(file, offset, length)


_SAVE_AGAIN = "save the model again with onnx.save_model"
_MOVE_IN = "keep the data file in the model's own folder and name it by a relative path"


def _refuse_outside(where: str, location: str) -> None:
    if not location:
        raise _fault(where, "its external data has no location", _SAVE_AGAIN)
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).is_absolute()
    if absolute or PureWindowsPath(location).drive:
        raise _fault(where, f"its data location {location!r} is an absolute path", _MOVE_IN)
    if ".." in PurePosixPath(location).parts or ".." in PureWindowsPath(location).parts:
        raise _fault(where, f"its data location {location!r} leaves the model's folder", _MOVE_IN)


def _find(where: str, location: str, homes: list[Path]) -> Path:
    candidates = [home / location for home in homes]
    file = next((candidate for candidate in candidates if candidate.exists()), None)
    if file is None:
        looked = " and ".join(str(home) for home in homes)
        raise _fault(where, f"its data file {location!r} is not in {looked}", "put it beside the model")
    real = file.resolve()
    if not any(real.is_relative_to(home) for home in homes):
        raise _fault(where, f"its data file {location!r} is a link that leaves the model's folder", _MOVE_IN)
    if not real.is_file():
        raise _fault(where, f"its data location {location!r} is no regular file", _MOVE_IN)
    return real


def _fault(where: str, what: str, fix: str) -> InputError:
    return InputError(Fault(where, what, fix))


def _filled(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the parts of [start, end) that hold data; the whole of it where the system cannot say."""
    if not hasattr(os, "SEEK_DATA"):
        yield start, end
        return
    position = start
    while position < end:
        try:
            position = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end of the file
            return
        stop = min(os.lseek(descriptor, position, os.SEEK_HOLE), end)
        if position < end:
            yield position, stop
        position = stop
