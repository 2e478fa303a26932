"""From a stored tensor to its values: finds the array in the file, and the contract that explains it."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.lib import format as npy

from deploykit.align import element_types, nearest
from deploykit.align.contract import Contract, as_yaml, byte_count, least_bytes
from deploykit.align.dump import Stored
from deploykit.align.element_types import Array
from deploykit.align.readers.single import polygraphy_arrays
from deploykit.align.tensors import Mapping as FileMapping
from deploykit.align.tensors import Tensor, from_bytes
from deploykit.core.errors import Fault, InputError, input_error

VALUES = {"dtype", "endian", "scale", "zero_point"}
"""Fields of a contract that say what codes mean, and nothing of where they lie."""


@dataclass(frozen=True)
class Like:
    """What the other side has: one frame's shape, its element type, how many frames."""

    shape: tuple[int, ...]
    dtype: str
    frames: int


@dataclass(frozen=True)
class Opened:
    """The frames of one file, and what was taken for granted to read them."""

    frames: tuple[Tensor, ...]
    notes: tuple[str, ...] = ()


def open_stored(stored: Stored, declared: Mapping[str, Any], like: Like | None) -> Opened:
    """Open one file. `declared` goes before what a manifest says; `like` fills the rest (None: this is the
    reference, and has to say itself what it is).

    Raises:
        InputError: the file cannot be read, or its size or shape is not explained.
    """
    fields = {**stored.fields, **declared}
    try:
        if stored.kind == "raw":
            return _open_raw(stored, fields, like)
        array, mapping = _array(stored)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, struct.error, zipfile.BadZipFile) as error:
        raise input_error(stored.where, f"cannot be read: {error}", "copy it again") from error
    return _open_array(stored, array, mapping, fields, like)


def _open_raw(stored: Stored, fields: dict[str, Any], like: Like | None) -> Opened:
    size = stored.path.stat().st_size
    if size == 0:
        raise input_error(
            stored.where, _empty(fields, like), "dump it again: the board may have stopped while it wrote"
        )
    if fields.get("dtype") == "fixed":
        raise input_error(
            stored.where,
            "is fixed point, its type is not in the file",
            "give dtype and scale, or dump *_float.bin",
        )
    shape = _shape(stored, fields, like)
    if shape is None:
        raise input_error(
            stored.where,
            "raw bytes say neither shape nor type",
            "declare both: --contract 'NAME:shape=1x3x8x8,dtype=float'",
        )
    notes = []
    if not fields.keys() - {"shape"}:
        notes.append(
            f"no contract given: read as {like.dtype if like else 'float'} in the reference's own order"
        )
    given = {"dtype": like.dtype if like else "float", **fields, "shape": shape}
    contract = _contract(stored, given)
    mapping = FileMapping(stored.path)
    return Opened(_frames(stored, mapping.bytes, contract, mapping, like), tuple(notes))


def _empty(fields: dict[str, Any], like: Like | None) -> str:
    if like is None:
        return "is empty (0 bytes)"
    try:
        expected = byte_count(Contract(**{"shape": like.shape, "dtype": like.dtype, **fields}))
    except (InputError, TypeError):
        return "is empty (0 bytes)"
    return f"is empty: 0 bytes, {expected} expected"


def _frames(
    stored: Stored, data: Array, contract: Contract, mapping: FileMapping | None, like: Like | None
) -> tuple[Tensor, ...]:
    """Cut a buffer into frames: as many as the reference has, one after the other."""
    one = byte_count(contract)
    if least_bytes(contract) <= data.size <= one:
        return (from_bytes(data, contract, mapping),)
    frames = like.frames if like else max(1, data.size // max(one, 1))
    if frames > 1 and data.size == one * frames and stored.frame is None:
        return tuple(from_bytes(data[at : at + one], contract, mapping) for at in range(0, data.size, one))
    expected = f"{one} expected" if frames == 1 else f"{one} expected, or {frames} frames of them"
    found = nearest.contracts(data.size, contract)
    fix = (
        f"this size fits {' or '.join(found)}"
        if found
        else "no layout, type or pitch that is tried gives this size"
    )
    raise input_error(stored.where, f"{data.size} bytes, {expected} ({_in_line(contract)})", fix)


def _in_line(contract: Contract) -> str:
    return as_yaml(contract).replace("\n", ", ")


def _contract(stored: Stored, fields: dict[str, Any]) -> Contract:
    try:
        return Contract(**fields)
    except InputError as error:
        place = stored.place or stored.where
        raise InputError(
            *(Fault(f"{place}: {fault.where}", fault.what, fault.fix) for fault in error.faults)
        ) from error


def _shape(stored: Stored, fields: dict[str, Any], like: Like | None) -> tuple[int, ...] | None:
    given = fields.get("shape")
    if given is None:
        return like.shape if like else None
    if like is not None and given != like.shape:
        if _squeezed(given) != _squeezed(like.shape):
            raise input_error(
                stored.place or stored.where,
                f"shape {list(given)} is declared, the reference has {list(like.shape)}",
            )
        return like.shape
    return tuple(given)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _open_array(
    stored: Stored, array: Array, mapping: FileMapping | None, fields: dict[str, Any], like: Like | None
) -> Opened:
    if array.dtype.kind not in "fiub" and "dtype" not in fields:
        raise input_error(stored.where, f"holds {array.dtype} values, which are no numbers")
    given = {key: value for key, value in fields.items() if key != "shape"}
    shape = _shape(stored, fields, like)
    if given:
        if shape is not None and not given.keys() - VALUES:
            array = _of_shape(stored, array, shape)
        dtype = given.get("dtype", element_types.ALIASES.get(array.dtype.name, array.dtype.name))
        contract = _contract(stored, {**given, "dtype": dtype, "shape": shape or tuple(array.shape)})
        array = array.astype(
            array.dtype.newbyteorder("<" if contract.endian == "little" else ">"), copy=False
        )
        data = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
        return Opened(_frames(stored, data, contract, mapping, like))
    stacked = stored.stacked or (
        like is not None and like.frames > 1 and array.shape == (like.frames, *like.shape)
    )
    if stacked:
        return Opened(tuple(Tensor(frame, None, mapping) for frame in array))
    if stored.kind == "text" and shape is not None and array.size == numpy.prod(shape, dtype=int):
        return Opened((Tensor(array.reshape(shape), None, mapping),), ("text: what is not printed is lost",))
    if like is None or array.shape == like.shape:
        return Opened((Tensor(array, None, mapping),))
    note = f"shape {list(array.shape)} is read as {list(like.shape)}"
    return Opened((Tensor(_of_shape(stored, array, like.shape), None, mapping),), (note,))


def _of_shape(stored: Stored, array: Array, shape: tuple[int, ...]) -> Array:
    """Give an array the reference's shape, where no more than axes of length 1 are between them; frames that
    are stacked stay so."""
    if array.shape in (shape, (len(array), *shape) if array.ndim else ()):
        return array
    if _squeezed(tuple(array.shape)) == _squeezed(shape) or stored.kind == "text":
        return array.reshape(shape)
    raise input_error(
        stored.where,
        f"has the shape {list(array.shape)}, the reference {list(shape)}",
        _shape_hint(tuple(array.shape), shape),
    )


def _shape_hint(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(wanted) >= 3 and shape == (wanted[0], *wanted[2:], wanted[1]):
        return "that is layout: NHWC; declare it with --contract"
    if sorted(shape) == sorted(wanted):
        return "the axes are the same in another order; declare the layout with --contract"
    return "declare with --contract how it lies in memory"


def _array(stored: Stored) -> tuple[Array, FileMapping | None]:
    """Give a file's array; of `.npy` and of `.npz` members that are not compressed as a view of the file."""
    if stored.kind == "text":
        words = stored.path.read_text().replace(",", " ").split()
        return numpy.array(words, numpy.float64 if not words else numpy.float32), None
    if stored.kind == "polygraphy":
        return _from_base64(stored), None
    if stored.path.stat().st_size == 0:
        raise input_error(stored.where, "is empty (0 bytes)", "dump it again")
    if stored.kind == "npz":
        return _member(stored.path, stored.member)
    mapping = FileMapping(stored.path)
    return _npy_view(mapping.bytes), mapping


def _from_base64(stored: Stored) -> Array:
    frame, name = stored.member.split("/", 1)
    text = polygraphy_arrays(stored.path)[int(frame), name]
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"its base64 text is broken ({error})") from error
    return _npy_view(numpy.frombuffer(content, numpy.uint8))


def _member(path: Path, name: str) -> tuple[Array, FileMapping | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(name)
            content = b"" if info.compress_type == zipfile.ZIP_STORED else archive.read(name)
    except Exception as error:  # as many kinds as there are compressions
        raise ValueError(f"the archive is broken ({_first_line(error)})") from error
    if info.compress_type != zipfile.ZIP_STORED:
        return _npy_view(numpy.frombuffer(content, numpy.uint8)), None
    mapping = FileMapping(path)
    head = mapping.bytes[info.header_offset : info.header_offset + 30].tobytes()
    name_length, extra_length = struct.unpack("<HH", head[26:30])
    start = info.header_offset + 30 + name_length + extra_length
    return _npy_view(mapping.bytes[start : start + info.file_size]), mapping


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _npy_view(data: Array) -> Array:
    """Read `.npy` bytes without a copy. Python objects are refused: reading them would run code."""
    head = io.BytesIO(data[:65_536].tobytes())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy repairs some broken headers with no more than a warning
            version = npy.read_magic(head)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, by_column, dtype = read(head)
    except Exception as error:  # a broken header makes numpy's parser raise nearly anything
        raise ValueError(f"its header is no .npy header ({_first_line(error)})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are refused")
    count = int(numpy.prod(shape, dtype=numpy.int64))
    body = data[head.tell() :]
    if body.size != count * dtype.itemsize:
        raise ValueError(
            f"{body.size} bytes of values, {count * dtype.itemsize} expected for {list(shape)} {dtype}"
        )
    flat = numpy.frombuffer(body, dtype, count) if count else numpy.zeros(0, dtype)
    return flat.reshape(shape, order="F" if by_column else "C")
