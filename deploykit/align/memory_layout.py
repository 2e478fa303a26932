"""Which axes lie where in memory: a layout as a list of axes with strides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from deploykit.align import element_types

if TYPE_CHECKING:
    from deploykit.align.contract import Contract

LAYOUTS = ("NCHW", "NHWC", "NHCW", "NC1HWC0", "NC1HWC2", "NC4HW4", "tiled")
BLOCKED = ("NC1HWC0", "NC1HWC2", "NC4HW4")


@dataclass(frozen=True)
class Piece:
    """One axis in memory: the axis of the shape that it is a part of, its length, its stride in units of
    storage (bytes; half bytes for 4-bit types)."""

    axis: int
    length: int
    stride: int


def padded_shape(pieces: tuple[Piece, ...], rank: int) -> list[int]:
    """Give the shape that the pieces make, with whole blocks and tiles."""
    return [math.prod(piece.length for piece in pieces if piece.axis == axis) for axis in range(rank)]


@lru_cache(1 << 12)
def pieces_of(contract: Contract) -> tuple[Piece, ...]:
    """Give the axes in memory, outermost first, with their strides."""
    unit = 1 if element_types.bits(contract.dtype) == 4 else element_types.bits(contract.dtype) // 8
    extent, pieces = unit, []
    for axis, length, pitch in reversed(axes_of(contract)):
        stride = pitch * (2 if element_types.bits(contract.dtype) == 4 else 1) or extent
        pieces.append(Piece(axis, length, stride))
        extent = stride * length
    return tuple(reversed(pieces))


def extent_bytes(contract: Contract) -> int:
    """Give the bytes between header and tail."""
    pieces = pieces_of(contract)
    if not pieces:
        return -(-element_types.bits(contract.dtype) // 8)
    units = pieces[0].length * pieces[0].stride
    return -(-units // 2) if element_types.bits(contract.dtype) == 4 else units


def axes_of(contract: Contract) -> list[tuple[int, int, int]]:
    """Give (axis of the shape, length, pitch in bytes or 0) of the axes in memory, outermost first."""
    shape, rank, block = contract.full_shape, len(contract.full_shape), contract.channel_block
    if rank < 2 or contract.channel_axis < 0 or contract.channel_axis >= rank:
        return [(axis, length, 0) for axis, length in enumerate(shape)]
    channel = contract.channel_axis
    outer = [(axis, shape[axis]) for axis in range(channel)]
    space = [(axis, shape[axis]) for axis in range(channel + 1, rank)]
    groups = [(channel, -(-shape[channel] // block))] if block else [(channel, shape[channel])]
    inner = [(channel, block)] if block else []
    row, order = 1, [*outer, *groups, *space]
    if contract.layout in BLOCKED:
        order, row = [*outer, *groups, *space, *inner], 2
    elif contract.layout == "NHWC":
        order, row = [*outer, *space, (channel, groups[0][1] * (block or 1))], 2
    elif contract.layout == "NHCW":
        order = [*outer, *space[:-1], *groups, *space[-1:]]
    elif contract.layout == "tiled":
        order, row = [*outer, *groups, *_tiles(space, contract.tile), *inner], 3 + bool(inner)
    pitches = [0] * len(order)
    if contract.row_pitch_bytes:
        pitches[-row - 1] = contract.row_pitch_bytes
    if contract.channel_pitch_bytes:
        pitches[len(outer)] = contract.channel_pitch_bytes
    if contract.batch_pitch_bytes:
        pitches[0] = contract.batch_pitch_bytes
    return [(axis, length, pitch) for (axis, length), pitch in zip(order, pitches, strict=True)]


def _tiles(space: list[tuple[int, int]], tile: tuple[int, ...]) -> list[tuple[int, int]]:
    (rows, height), (columns, width) = space[-2:]
    counts = [(rows, -(-height // tile[0])), (columns, -(-width // tile[1]))]
    return [*space[:-2], *counts, (rows, tile[0]), (columns, tile[1])]
