"""What is wrong with a contract: every fault at once."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING

from deploykit.align import element_types
from deploykit.align.memory_layout import BLOCKED, LAYOUTS, axes_of, pieces_of
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean

if TYPE_CHECKING:
    from deploykit.align.contract import Contract


def faults_of(contract: Contract) -> list[Fault]:
    """Check the fields one by one, then what they make together."""
    if contract.layout not in LAYOUTS:
        return [Fault("layout", f"no layout {contract.layout!r}{did_you_mean(contract.layout, LAYOUTS)}")]
    faults = [
        *_number_faults(contract),
        *_layout_faults(contract),
        *_stored_faults(contract),
        *_scale_faults(contract),
    ]
    return faults or _pitch_faults(contract)


def _number_faults(contract: Contract) -> list[Fault]:
    faults = []
    if contract.endian not in ("little", "big"):
        faults.append(Fault("endian", f"{contract.endian!r} is neither little nor big"))
    for field in fields(contract):
        value = getattr(contract, field.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if field.name in ("scale", "zero_point", "channel_axis") or isinstance(value, str):
            continue
        if any(number < 0 for number in numbers):
            faults.append(Fault(field.name, f"{value} is below zero"))
    return faults


def _layout_faults(contract: Contract) -> list[Fault]:
    faults, rank, layout = [], len(contract.shape), contract.layout
    if layout in BLOCKED and not contract.channel_block:
        faults.append(
            Fault("channel_block", f"{layout} needs one", "give the channels of a block, such as 16")
        )
    if layout in ("NCHW", "NHCW") and contract.channel_block:
        faults.append(Fault("channel_block", f"{layout} has no channel blocks"))
    if layout != "NCHW" and not 0 <= contract.channel_axis < rank:
        faults.append(Fault("channel_axis", f"{contract.channel_axis} is no axis of {list(contract.shape)}"))
    if (layout == "tiled") != bool(contract.tile):
        faults.append(
            Fault("tile", f"{layout} with the tile {list(contract.tile)}", "tiled needs [rows, columns]")
        )
    elif layout == "tiled" and (
        len(contract.tile) != 2 or 0 in contract.tile or rank - contract.channel_axis < 3
    ):
        faults.append(Fault("tile", "needs two sizes above zero, and two axes after the channels"))
    if layout == "NHCW" and rank - contract.channel_axis < 2:
        faults.append(Fault("layout", "NHCW needs an axis after the channels"))
    return faults


def _stored_faults(contract: Contract) -> list[Fault]:
    shape, stored = contract.shape, contract.full_shape
    if len(stored) != len(shape) or (contract.crop and len(contract.crop) != len(shape)):
        return [Fault("stored_shape", "stored_shape, crop and shape do not have equally many axes")]
    begin = contract.crop or (0,) * len(shape)
    if any(at + length > full for at, length, full in zip(begin, shape, stored, strict=True)):
        return [
            Fault("stored_shape", f"{list(shape)} from {list(begin)} on does not fit into {list(stored)}")
        ]
    return []


def _scale_faults(contract: Contract) -> list[Fault]:
    faults, rank = [], len(contract.shape)
    if contract.zero_point and not contract.scale:
        faults.append(Fault("zero_point", "stands without a scale"))
    if contract.scale and not element_types.is_integer(contract.dtype):
        faults.append(Fault("scale", f"{contract.dtype} is no integer type"))
    if not all(math.isfinite(scale) and scale > 0 for scale in contract.scale):
        faults.append(Fault("scale", "holds a number that is not above zero and finite"))
    channels = contract.shape[contract.channel_axis] if 0 <= contract.channel_axis < rank else 1
    for name, count in (("scale", len(contract.scale)), ("zero_point", len(contract.zero_point))):
        if count not in (0, 1, channels):
            faults.append(Fault(name, f"has {count} entries, the tensor {channels} channels"))
    return faults


def _pitch_faults(contract: Contract) -> list[Fault]:
    faults = []
    names = {"row": contract.row_pitch_bytes, "channel": contract.channel_pitch_bytes}
    names["batch"] = contract.batch_pitch_bytes
    rank, channel = len(contract.shape), contract.channel_axis
    usable = 0 <= channel < rank and rank >= 2
    fits = {
        "row": usable and contract.layout != "tiled" and rank - channel >= 2 and len(axes_of(contract)) > 2,
        "channel": usable and contract.layout not in ("NHWC", "NHCW"),
        "batch": usable and channel > 0,
    }
    for name, pitch in names.items():
        if pitch and not fits[name]:
            faults.append(
                Fault(
                    f"{name}_pitch_bytes", f"{contract.layout} of {list(contract.shape)} has no {name} pitch"
                )
            )
    if faults:
        return faults
    half = element_types.bits(contract.dtype) == 4
    pieces = pieces_of(contract)
    for outside, inside in pairwise(pieces):
        need = inside.length * inside.stride
        if outside.stride < need and outside.length:
            got, wanted = (-(-value // 2) if half else value for value in (outside.stride, need))
            faults.append(Fault("pitch", f"{got} bytes are less than the {wanted} that lie inside"))
    return faults
