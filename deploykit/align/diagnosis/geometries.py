"""The ways in which a buffer of a given size can hold a tensor of a given shape, simplest first.

Each is a `Contract` with a stand-in element type of the right width. What the size of the dump says (a
pitch, a
padded channel count, a border) is worked out from it, so that no list of alignments has to hold the right
one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from deploykit.align import element_types
from deploykit.align.contract import Contract, byte_count, least_bytes
from deploykit.align.diagnosis.reading import Reading
from deploykit.core.errors import InputError

STAND_IN = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}
"""An element type of this many bytes: addresses depend on the width alone."""

ALIGNMENTS = (4, 8, 16, 24, 32, 48, 64, 96, 128, 256, 512, 4096)
"""Bytes to which boards round rows and channels."""

BLOCKS = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 128)
MOST_BLOCKS = 40
"""Of the blocks that make exactly the dump's size, so many of the smallest are tried."""

TILES = ((2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (4, 8), (8, 4), (4, 16), (16, 4), (8, 16), (16, 8))
LEAST_SHARE = 0.5
"""A dump may be cut off, down to this share of the tensor."""


@dataclass(frozen=True)
class _Space:
    """What a search for layouts goes over: the declared contract, the element width, the dump's size."""

    declared: Contract
    width: int
    size: int

    @property
    def plain(self) -> Contract:
        """The tensor in the reference's own order, nothing around it."""
        declared = self.declared
        return Contract(declared.shape, STAND_IN[self.width], channel_axis=declared.channel_axis)


def geometries(declared: Contract, width: int, size: int) -> list[Reading]:
    """List the readings of `size` bytes as elements of `width` bytes; no two address the same bytes."""
    space = _Space(declared, width, size)
    found: dict[tuple[bytes, ...], Reading] = {}
    for reading in (*_declared(space), *_orders(space), *_padded(space), *_stored(space)):
        contract = reading.contract
        if not _plausible(contract, size):
            continue
        key = tuple(table.tobytes() for table in reading.offsets)
        if key not in found or found[key].weight > reading.weight:
            found[key] = reading
    return list(found.values())


def fitted_tail(contract: Contract, size: int) -> int:
    """Give the bytes of a dump that lie behind what the contract reads."""
    return max(0, size - byte_count(contract) + contract.tail_bytes)


def _plausible(contract: Contract, size: int) -> bool:
    return least_bytes(contract) * LEAST_SHARE <= size


def _declared(space: _Space) -> Iterator[Reading]:
    """The declared layout, then what was declared with more or less in front of it."""
    base = _attempt(
        space.declared, dtype=STAND_IN[space.width], scale=(), zero_point=(), tail_bytes=0, endian="little"
    )
    if base is None:
        return
    yield Reading(base)
    extra = space.size - least_bytes(replace(base, header_bytes=0))
    for header in (0, extra, *(1 << power for power in range(2, 13))):
        if 0 <= header <= extra and header != base.header_bytes:
            yield Reading(replace(base, header_bytes=header), weight=1.0)


def _orders(space: _Space) -> Iterator[Reading]:
    """Axes in another order: the named layouts, also with H and W exchanged, then any other."""
    for contract, transpose, weight in _plain_orders(space):
        yield Reading(contract, transpose, weight=weight)
        extra = space.size - byte_count(contract)
        for header in {extra, 16, 32, 64, 128}:
            if 0 < header <= extra:
                yield Reading(replace(contract, header_bytes=header), transpose, weight=weight + 1)
    shape, rank = space.declared.shape, len(space.declared.shape)
    long = [axis for axis in range(rank) if shape[axis] > 1]
    if 1 < len(long) <= 4:
        for order in itertools.permutations(long):
            places = iter(order)
            permuted = [axis if shape[axis] == 1 else next(places) for axis in range(rank)]
            stored = tuple(shape[axis] for axis in permuted)
            back = tuple(permuted.index(axis) for axis in range(rank))
            channel = min(space.declared.channel_axis, rank - 1)
            yield Reading(Contract(stored, STAND_IN[space.width], channel_axis=channel), back, weight=1.5)


def _plain_orders(space: _Space) -> Iterator[tuple[Contract, tuple[int, ...], float]]:
    plain = space.plain
    rank = len(plain.shape)
    swapped = None
    if rank - plain.channel_axis > 2:
        shape = (*plain.shape[:-2], plain.shape[-1], plain.shape[-2])
        swapped = replace(plain, shape=shape)
    exchange = (*range(rank - 2), rank - 1, rank - 2)
    for contract, transpose, weight in ((plain, (), 0.0), (swapped, exchange, 1.0)):
        for layout in ("NCHW", "NHWC", "NHCW"):
            changed = _attempt(contract, layout=layout) if contract else None
            if changed:
                cost = weight + (layout != space.declared.layout or bool(space.declared.channel_block))
                yield changed, transpose, cost


def _blocked(space: _Space) -> Iterator[tuple[Contract, float]]:
    plain = space.plain
    channels = plain.shape[plain.channel_axis] if 0 <= plain.channel_axis < len(plain.shape) else 1
    stored = space.size * channels // max(1, space.width * math.prod(plain.shape))
    exact = {block for block in range(2, max(64, stored) + 1) if -(-channels // block) * block == stored}
    usual = {block for block in BLOCKS if block <= 4 * max(4, channels)}
    for block in sorted(usual | set(sorted(exact)[:MOST_BLOCKS])):
        for layout in ("NC1HWC0", "NHWC"):
            changed = _attempt(plain, layout=layout, channel_block=block)
            if changed:
                same = (layout, block) == (space.declared.layout, space.declared.channel_block)
                yield changed, 0.0 if same else 1.0
    for tile in TILES:
        if (
            len(plain.shape) < 2
            or min(plain.shape[-2:]) < 2
            or tile[0] >= 4 * plain.shape[-2]
            or tile[1] >= 4 * plain.shape[-1]
        ):
            continue
        changed = _attempt(plain, layout="tiled", tile=tile)
        if changed:
            yield changed, 1.0


def _padded(space: _Space) -> Iterator[Reading]:
    """Blocks and tiles; every layout with rows or channels rounded up."""
    for contract, weight in _blocked(space):
        yield Reading(contract, weight=weight)
        if contract.channel_block in (4, 8, 16, 32, 64):
            yield from _pitched(space, contract, (), weight)
    for contract, transpose, weight in _plain_orders(space):
        yield from _pitched(space, contract, transpose, weight)


def _pitched(
    space: _Space, contract: Contract, transpose: tuple[int, ...], weight: float
) -> Iterator[Reading]:
    """Rows, channels or batch items further apart, as alignments or as the dump's size says."""
    shape, axis = contract.shape, contract.channel_axis
    rank = len(shape)
    if rank - axis < 2 or contract.layout == "tiled":
        return
    row = shape[-1] * space.width
    if contract.layout in ("NHWC", "NC1HWC0"):
        block = contract.channel_block or 1
        row *= -(-shape[axis] // block) * block if contract.layout == "NHWC" else block
    rows = max(1, byte_count(contract) // row)
    outer = max(1, rows // max(1, math.prod(shape[axis + 1 : -1])))
    pitches = {-(-row // step) * step for step in ALIGNMENTS if step < 4 * row} | {row, space.size // rows}
    channels = {0, space.size // outer} if contract.layout != "NHWC" else {0}
    plane = row * max(1, math.prod(shape[axis + 1 : -1]))
    channels |= {-(-plane // step) * step for step in ALIGNMENTS} if contract.layout != "NHWC" else set()
    batch = space.size // max(1, math.prod(shape[:axis]))
    for pitch in sorted(pitches):
        for channel in sorted(channels) if pitch in (row, space.size // rows) else (0, space.size // outer):
            changes: dict[str, Any] = {"row_pitch_bytes": pitch if pitch != row else 0}
            changes["channel_pitch_bytes"] = channel if contract.layout not in ("NHWC", "NHCW") else 0
            if not any(changes.values()):
                continue
            changed = _attempt(contract, **changes)
            if changed and byte_count(changed) <= space.size + changed.row_pitch_bytes:
                declared = space.declared
                cost = (changed.row_pitch_bytes != declared.row_pitch_bytes) + (
                    changed.channel_pitch_bytes != declared.channel_pitch_bytes
                )
                yield Reading(changed, transpose, weight=weight + cost)
    if contract.row_pitch_bytes == 0 and math.prod(shape[:axis]) > 1:
        changed = _attempt(contract, batch_pitch_bytes=batch)
        if changed:
            yield Reading(changed, transpose, weight=weight + 1)


def _stored(space: _Space) -> Iterator[Reading]:
    """More is stored than the tensor: borders, channels or items around it, as the size allows."""
    shape = space.declared.shape
    elements, rest = divmod(space.size, space.width)
    if rest or elements <= math.prod(shape):
        return
    for contract, transpose, weight in _plain_orders(space):
        if transpose:
            continue
        for stored in _larger(shape, contract.channel_axis, elements):
            for crop in _crops(shape, stored):
                changed = _attempt(contract, stored_shape=stored, crop=crop)
                if changed:
                    yield Reading(changed, transpose, weight=weight + 1)


def _larger(shape: tuple[int, ...], channel: int, elements: int) -> Iterator[tuple[int, ...]]:
    """Shapes of exactly `elements` elements: one axis longer, or the last two by up to 32 each."""
    for axis, length in enumerate(shape):
        others = math.prod(shape) // length
        if elements % others == 0:
            yield (*shape[:axis], elements // others, *shape[axis + 1 :])
    if len(shape) - channel > 2:
        others = math.prod(shape[:-2])
        for more in range(1, 33):
            columns, left = divmod(elements, others * (shape[-2] + more))
            if left == 0 and shape[-1] < columns <= shape[-1] + 64:
                yield (*shape[:-2], shape[-2] + more, columns)


def _crops(shape: tuple[int, ...], stored: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    room = [full - length for length, full in zip(shape, stored, strict=True)]
    per_axis = [range(extra + 1) if extra <= 8 else sorted({0, extra // 2, extra}) for extra in room]
    return itertools.product(*per_axis)


def _attempt(contract: Contract, **changes: Any) -> Contract | None:
    """Change a contract; None where the result contradicts itself."""
    try:
        return replace(contract, **changes)
    except InputError:
        return None


def width_of(contract: Contract) -> int:
    """Give the bytes of an element; 0 for 4-bit types."""
    return element_types.bits(contract.dtype) // 8
