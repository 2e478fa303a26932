"""A way to read the board's bytes at the reference's indices: one table of byte offsets an axis.

The address of an element is the sum of one entry a table, whatever the layout, block, pitch, tile or crop;
a flip, a
permutation or a shift along an axis reorders that axis's table. So every such fault is tried on a few
thousand
elements without decoding the dump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from deploykit.align import element_types
from deploykit.align.contract import Contract, decode, least_bytes
from deploykit.align.element_types import Array
from deploykit.align.memory_layout import pieces_of

NOWHERE = -(1 << 60)
"""An offset that stays negative whatever is added: the board has no such element."""

HUGE = 1e30
"""Bytes read as the wrong float give such values; they count as missing."""


@dataclass(frozen=True)
class Order:
    """Index i of the reference's axis is found at `indices[i]`; -1: nowhere. `name` says what it is."""

    axis: int
    indices: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Reading:
    """A contract of the stored axes, then axes and indices put in the reference's order.

    Reference axis a is axis `transpose[a]` of the contract's shape; () leaves them. `weight` is how many
    faults
    stand between this and what was declared.
    """

    contract: Contract
    transpose: tuple[int, ...] = ()
    orders: tuple[Order, ...] = ()
    weight: float = 0.0

    @cached_property
    def offsets(self) -> tuple[Array, ...]:
        """Byte offset an index, an array a reference axis; the header is in the first."""
        stored = axis_offsets(self.contract)
        tables = [stored[axis] for axis in self.transpose] if self.transpose else list(stored)
        tables[0] = tables[0] + self.contract.header_bytes
        for order in self.orders:
            indices = numpy.asarray(order.indices)
            tables[order.axis] = numpy.where(indices < 0, NOWHERE, tables[order.axis][indices])
        return tuple(tables)

    def values(self, buffer: Array) -> Array:
        """Decode all; missing elements are NaN."""
        contract = self.contract
        missing = missing_bytes(contract, buffer.size)
        if missing > 0:
            buffer = numpy.concatenate([buffer, numpy.zeros(missing, numpy.uint8)])
        with numpy.errstate(invalid="ignore"):  # any bytes may be any float
            array = decode(buffer, contract).astype(numpy.float64)
            array[numpy.isfinite(array) & (numpy.abs(array) > HUGE)] = numpy.nan
        if missing > 0:
            array[_beyond(contract, buffer.size - missing)] = numpy.nan
        if self.transpose:
            array = array.transpose(self.transpose)
        for order in self.orders:
            indices = numpy.asarray(order.indices)
            array = array.take(indices, axis=order.axis)
            where = [slice(None)] * array.ndim
            where[order.axis] = numpy.nonzero(indices < 0)[0]  # type: ignore[call-overload]  # an index array
            array[tuple(where)] = numpy.nan
        return array


def axis_offsets(contract: Contract) -> tuple[Array, ...]:
    """Give the byte offset that each index of each axis of `contract.shape` adds."""
    pieces = pieces_of(contract)
    begin = contract.crop or (0,) * len(contract.shape)
    tables = []
    for axis, length in enumerate(contract.shape):
        index = numpy.arange(length) + begin[axis]
        table = numpy.zeros(length, numpy.int64)
        for piece in reversed([piece for piece in pieces if piece.axis == axis]):
            table += index % piece.length * piece.stride
            index //= piece.length
        tables.append(table)
    return tuple(tables)


def addresses(offsets: Sequence[Array], places: Array) -> Array:
    """Add up the offsets of index tuples `places`, shape (axes, ...)."""
    total: Array = offsets[0][places[0]]
    for table, index in zip(offsets[1:], places[1:], strict=True):
        total = total + table[index]
    return total


def gather(buffer: Array, where: Array, dtype: str, endian: str) -> Array:
    """Read single elements as float64; NaN where the buffer has none or the value is absurd."""
    kind = element_types.storage(dtype, endian)
    inside = (where >= 0) & (where <= buffer.size - kind.itemsize)
    safe = numpy.where(inside, where, 0)
    codes = _codes(buffer, safe, kind) if buffer.size >= kind.itemsize else numpy.zeros(where.shape, kind)
    with numpy.errstate(invalid="ignore", over="ignore"):  # any bytes may be any float
        values = element_types.to_values(codes, dtype).astype(numpy.float64)
        values[~inside | ~(numpy.abs(values) < HUGE)] = numpy.nan
    return values


def _codes(buffer: Array, where: Array, kind: numpy.dtype[Any]) -> Array:
    """Read elements at byte addresses; much faster where all lie at whole elements from the first."""
    first = int(where.flat[0]) % kind.itemsize if where.size else 0
    element, rest = numpy.divmod(where - first, kind.itemsize)
    if not rest.any() and int(element.min(initial=0)) >= 0:
        count = (buffer.size - first) // kind.itemsize
        return numpy.ndarray((count,), kind, buffer, first)[element]
    raw = buffer[where[..., None] + numpy.arange(kind.itemsize)]
    return numpy.asarray(raw.view(kind)[..., 0])


def scaled(values: Array, contract: Contract, channels: Any) -> Array:
    """Apply the contract's scale and zero point; `channels` are the values' channel indices."""
    if not contract.scale:
        return values
    scale, zero = numpy.asarray(contract.scale), numpy.asarray(contract.zero_point or (0,))
    return numpy.asarray((values - zero[channels % zero.size]) * scale[channels % scale.size])


def missing_bytes(contract: Contract, size: int) -> int:
    """Give how many bytes a dump of `size` bytes lacks for a contract; 0 or less where it has all."""
    return least_bytes(contract) - size


def _beyond(contract: Contract, size: int) -> Array:
    """Say which elements of `contract.shape` lie outside of `size` bytes."""
    total: Array = numpy.zeros((1,) * len(contract.shape), numpy.int64)
    for axis, table in enumerate(axis_offsets(contract)):
        total = total + table.reshape([-1 if other == axis else 1 for other in range(len(contract.shape))])
    return numpy.asarray(contract.header_bytes + total + element_types.bits(contract.dtype) // 8 > size)
