"""A tensor that lies in a file: values are made block by block, the file stays on the disk."""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy

from deploykit.align import element_types
from deploykit.align.contract import Contract, along_channels, stored_codes
from deploykit.align.element_types import Array

Box: TypeAlias = tuple[slice, ...]

BLOCK = 1 << 20
"""Elements a block: what is in memory at a time."""

FORGET_BYTES = 64_000_000
"""Bytes read of a mapped file after which its pages are given back."""


class Mapping:
    """A file as bytes. Pages that were read count as ours until they are given back."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bytes: Array = numpy.frombuffer(self.map, numpy.uint8)

    def forget(self) -> None:
        """Give the pages back to the system; they are read again where needed."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self.map.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class Tensor:
    """Codes in the reference's axes (a view of a file where possible), and how to read values from them.

    `contract` is None where numpy's own type says it all; otherwise `buffer` holds the bytes of it.
    """

    codes: Array
    contract: Contract | None = None
    mapping: Mapping | None = None
    buffer: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return tuple(self.codes.shape)

    @property
    def dtype(self) -> str:
        """The stored element type by its ONNX name, or numpy's where ONNX has none."""
        if self.contract is not None:
            return self.contract.dtype
        return element_types.ALIASES.get(self.codes.dtype.name, self.codes.dtype.name)

    @property
    def turned(self) -> Contract | None:
        """The contract, where codes are not the values."""
        contract = self.contract
        if contract is None or not (contract.scale or element_types.is_coded(contract.dtype)):
            return None
        return contract

    def take(self, box: Box) -> Array:
        """Give the values in a box, in order and in the machine's byte order."""
        part = self.codes[box]
        contract = self.turned
        if contract is None:
            return numpy.ascontiguousarray(part, part.dtype.newbyteorder("="))
        values = element_types.to_values(part, contract.dtype)
        if contract.scale:
            kind = numpy.float64 if values.dtype.itemsize > 2 else numpy.float32
            zero_points = self._by_channel(contract.zero_point or (0,), box).astype(kind)
            scales = self._by_channel(contract.scale, box).astype(kind)
            values = numpy.multiply(numpy.subtract(values, zero_points, dtype=kind), scales)
        return numpy.ascontiguousarray(values)

    def _by_channel(self, numbers: tuple[float, ...], box: Box) -> Array:
        assert self.contract is not None
        return numpy.broadcast_to(along_channels(numbers, self.contract), self.shape)[box]

    def whole(self) -> Array:
        """Give all values at once."""
        return self.take(tuple(slice(0, length) for length in self.shape)).reshape(self.shape)

    def points(self, places: tuple[Array, ...]) -> Array:
        """Give the values at some places, one index array an axis."""
        codes = numpy.asarray(self.codes[places])
        contract = self.turned
        if contract is None:
            return codes
        values = element_types.to_values(codes, contract.dtype)
        if not contract.scale:
            return values
        zero_points, scales = (
            numpy.broadcast_to(along_channels(numbers, contract), self.shape)[places]
            for numbers in (contract.zero_point or (0,), contract.scale)
        )
        return numpy.asarray((values.astype(numpy.float64) - zero_points) * scales)

    def cut(self, box: Box) -> Tensor:
        """Give a part of the tensor as a tensor of its own."""
        contract = self.turned
        if contract is None:
            return Tensor(self.codes[box], self.contract, self.mapping)
        return Tensor(self.take(box))

    def forget(self) -> None:
        """Give the pages of the file back."""
        if self.mapping is not None:
            self.mapping.forget()


def from_bytes(data: Any, contract: Contract, mapping: Mapping | None = None) -> Tensor:
    """Read a buffer by a contract.

    Raises:
        ValueError: the size is not what the contract explains.
    """
    return Tensor(stored_codes(data, contract), contract, mapping, numpy.frombuffer(data, numpy.uint8))


def boxes(shape: tuple[int, ...], limit: int = BLOCK) -> Iterator[tuple[int, Box]]:
    """Cut a shape into boxes of at most `limit` elements (a single one may be all it takes), in C order, each
    with the flat index of its first element."""
    if 0 in shape:
        return
    if not shape:
        yield 0, ()
        return
    sizes = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    axis = next(axis for axis, size in enumerate(sizes) if size <= limit)
    step = max(1, limit // sizes[axis])
    whole = [slice(0, length) for length in shape[axis + 1 :]]
    for outer in itertools.product(*(range(length) for length in shape[:axis])):
        before = sum(index * size for index, size in zip(outer, sizes, strict=False))
        for start in range(0, shape[axis], step):
            stop = min(start + step, shape[axis])
            box = (*(slice(index, index + 1) for index in outer), slice(start, stop), *whole)
            yield before + start * sizes[axis], box


def pairs(a: Tensor, b: Tensor) -> Iterator[tuple[int, Box, Array, Array]]:
    """Walk through two tensors of one shape: flat index, box, values of both. Pages that are done are given
    back to the system."""
    read = 0
    for start, box in boxes(a.shape):
        x, y = a.take(box), b.take(box)
        yield start, box, x, y
        read += x.nbytes + y.nbytes
        if read >= FORGET_BYTES:
            a.forget()
            b.forget()
            read = 0
    a.forget()
    b.forget()
