"""How a board lays a tensor out in memory, and the way from its bytes to the reference's axes and back.

    bytes --(header, endian, dtype)--> codes --(layout, pitches, blocks, crop)--> axes --(scale)--> values

What numpy can express as strides stays a view of the buffer: a memory-mapped dump is not read by decoding.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy

from deploykit.align import contract_faults, element_types, memory_layout
from deploykit.align.element_types import Array
from deploykit.core.errors import InputError


@dataclass(frozen=True)
class Contract:
    """One stored tensor. `shape` is the logical one, in the reference's axis order.

    `layout` says in which order the axes lie in memory, `channel_axis` which of `shape` is C; axes before it
    are N, those after it H and W (any number of them). NCHW is the reference's own order. NC1HWC0, NC1HWC2
    and NC4HW4 are [N, C / block, H, W, block]; in NHWC and tiled a `channel_block` rounds C up. `tiled` cuts
    the last two axes into `tile` = (rows, columns), each tile in one piece.

    Pitches are distances in bytes: from row to row (a row is W, with the channels that lie inside it), from
    channel (or channel block) to channel, from batch item to batch item. 0: no gap. `header_bytes` come
    before the tensor, `tail_bytes` after it. `stored_shape` is what is stored where that is more than
    `shape` (padded batch, channels or borders), `crop` the index at which `shape` begins in it.

    With `scale` a value is (code - zero_point) * scale; one of each, or one a channel. In 4-bit dumps the
    low half of a byte comes first; with endian "big" the high one.

    Raises:
        InputError: fields that contradict each other, all of them at once.
    """

    shape: tuple[int, ...]
    dtype: str = "float"
    endian: str = "little"
    layout: str = "NCHW"
    channel_axis: int = 1
    channel_block: int = 0
    tile: tuple[int, ...] = ()
    row_pitch_bytes: int = 0
    channel_pitch_bytes: int = 0
    batch_pitch_bytes: int = 0
    header_bytes: int = 0
    tail_bytes: int = 0
    stored_shape: tuple[int, ...] = ()
    crop: tuple[int, ...] = ()
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Take short names of the element type, and refuse what cannot be."""
        object.__setattr__(self, "dtype", element_types.known_type(self.dtype))
        if self.layout == "NC4HW4" and not self.channel_block:
            object.__setattr__(self, "channel_block", 4)
        faults = contract_faults.faults_of(self)
        if faults:
            raise InputError(*faults)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """What is stored, in the reference's axis order."""
        return self.stored_shape or self.shape


def decode(buffer: Any, contract: Contract) -> Array:
    """Give the values in the reference's axes: float32 (float64 for wide codes) where there is a scale.

    `buffer` is anything with the buffer protocol. A view where neither codes nor blocks have to be turned.

    Raises:
        ValueError: fewer bytes than the contract needs, or more than it explains.
    """
    return dequantized(stored_values(buffer, contract), contract)


def stored_values(buffer: Any, contract: Contract) -> Array:
    """Give what is stored in the reference's axes, before the scale: whole numbers for integer types."""
    return element_types.to_values(stored_codes(buffer, contract), contract.dtype)


def stored_codes(buffer: Any, contract: Contract) -> Array:
    """Give the stored codes in the reference's axes: the bits of a float8, the whole number of a q7.8."""
    data = numpy.frombuffer(buffer, numpy.uint8)
    if not least_bytes(contract) <= data.size <= byte_count(contract):
        raise ValueError(f"{data.size} bytes, the contract explains {byte_count(contract)}")
    pieces = memory_layout.pieces_of(contract)
    shape = tuple(piece.length for piece in pieces)
    body, offset = data, contract.header_bytes
    kind = element_types.storage(contract.dtype, contract.endian)
    if element_types.bits(contract.dtype) == 4:
        body, offset = element_types.unpack(data[offset:], contract.dtype, contract.endian), 0
        kind = body.dtype
    codes: Array
    if 0 in shape:
        codes = numpy.zeros(shape, kind)
    else:
        codes = numpy.ndarray(shape, kind, body, offset, tuple(piece.stride for piece in pieces))
    return _in_order(codes, pieces, contract)


def dequantized(values: Array, contract: Contract) -> Array:
    """Apply scale and zero point: (code - zero_point) * scale."""
    if not contract.scale:
        return values
    kind = numpy.float64 if values.dtype.itemsize > 2 else numpy.float32
    zero_point = along_channels(contract.zero_point or (0,), contract)
    return numpy.asarray(
        (values.astype(kind) - zero_point.astype(kind))
        * along_channels(contract.scale, contract).astype(kind)
    )


def encode(array: Array, contract: Contract) -> bytes:
    """Lay an array out as the contract says; gaps are zero bytes.

    Raises:
        ValueError: the array has another shape than the contract.
    """
    if array.shape != contract.shape:
        raise ValueError(f"the array is {list(array.shape)}, the contract {list(contract.shape)}")
    if contract.scale:
        scale = along_channels(contract.scale, contract)
        zero_point = along_channels(contract.zero_point or (0,), contract)
        array = numpy.rint(array.astype(numpy.float64) / scale) + zero_point
    codes = element_types.to_codes(array, contract.dtype)
    pieces = memory_layout.pieces_of(contract)
    half = element_types.bits(contract.dtype) == 4
    body = numpy.zeros(memory_layout.extent_bytes(contract) * (2 if half else 1), numpy.uint8)
    kind = numpy.dtype(numpy.uint8) if half else element_types.storage(contract.dtype, contract.endian)
    shape = tuple(piece.length for piece in pieces)
    if 0 not in shape:
        view: Array = numpy.ndarray(shape, kind, body, 0, tuple(piece.stride for piece in pieces))
        view[...] = _in_memory(codes.view(numpy.uint8) if half else codes, pieces, contract)
    packed = element_types.pack(body, contract.endian) if half else body
    return bytes(contract.header_bytes) + packed.tobytes() + bytes(contract.tail_bytes)


def byte_count(contract: Contract) -> int:
    """Give the bytes of the whole dump: header, rows with their gaps, tail."""
    return contract.header_bytes + memory_layout.extent_bytes(contract) + contract.tail_bytes


def least_bytes(contract: Contract) -> int:
    """Give the bytes up to the last value: some boards leave out the gap after the last row, and the tail."""
    pieces, bits = memory_layout.pieces_of(contract), element_types.bits(contract.dtype)
    if not all(piece.length for piece in pieces):
        return contract.header_bytes
    last = sum((piece.length - 1) * piece.stride for piece in pieces)
    body = (last + 2) // 2 if bits == 4 else last + bits // 8
    return contract.header_bytes + body


def as_yaml(contract: Contract) -> str:
    """Give the lines that say this contract in `io:` or in a manifest; what is the default is left out."""
    lines = []
    for field in fields(contract):
        value = getattr(contract, field.name)
        if field.name not in ("shape", "dtype", "layout") and value == field.default:
            continue
        text = f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple) else str(value)
        lines.append(f"{field.name}: {text}")
    return "\n".join(lines)


def _in_order(codes: Array, pieces: tuple[memory_layout.Piece, ...], contract: Contract) -> Array:
    """Bring the axes in memory into the order of `shape`, join the parts of an axis, cut off what pads."""
    order = sorted(range(len(pieces)), key=lambda index: pieces[index].axis)
    codes = codes.transpose(order)
    rank = len(contract.shape)
    if len(pieces) > rank:
        codes = codes.reshape(memory_layout.padded_shape(pieces, rank))
    begin = contract.crop or (0,) * rank
    return codes[tuple(slice(at, at + length) for at, length in zip(begin, contract.shape, strict=True))]


def _in_memory(values: Array, pieces: tuple[memory_layout.Piece, ...], contract: Contract) -> Array:
    """The way back of `_in_order`; what pads is zero."""
    rank = len(contract.shape)
    padded = numpy.zeros(memory_layout.padded_shape(pieces, rank), values.dtype)
    begin = contract.crop or (0,) * rank
    padded[tuple(slice(at, at + length) for at, length in zip(begin, contract.shape, strict=True))] = values
    order = sorted(range(len(pieces)), key=lambda index: pieces[index].axis)
    split = padded.reshape([pieces[index].length for index in order])
    return split.transpose(numpy.argsort(order))


def along_channels(numbers: tuple[float, ...], contract: Contract) -> Array:
    """Shape one number, or one a channel, so that it goes along the tensor's axes."""
    values = numpy.asarray(numbers, numpy.float64)
    if len(numbers) == 1:
        return values.reshape(())
    return values.reshape([-1 if axis == contract.channel_axis else 1 for axis in range(len(contract.shape))])
