"""Say in words, and in lines of YAML, what a reading and a value fit change about what was declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deploykit.align import element_types
from deploykit.align.contract import Contract, as_yaml
from deploykit.align.diagnosis.geometries import fitted_tail
from deploykit.align.diagnosis.reading import Order, Reading, missing_bytes
from deploykit.align.diagnosis.result import Cause, Repair
from deploykit.align.diagnosis.value_fits import HALF_MOST, ValueFit


def causes_of(
    declared: Contract, reading: Reading, fit: ValueFit, size: int, letterbox: bool
) -> tuple[tuple[Cause, ...], Repair]:
    """Give the causes, those that concern bytes first, and the repair that they stand for."""
    contract = reading.contract
    contract = replace(contract, tail_bytes=fitted_tail(contract, size))
    rest = fit
    if element_types.is_integer(contract.dtype) and contract.dtype != declared.dtype:
        contract, rest = _with_scale(contract, fit)
    reading = replace(reading, contract=contract)
    causes = [
        *_byte_causes(declared, contract, reading.transpose, size),
        *_order_causes(reading, letterbox),
        *_value_causes(declared, rest),
    ]
    return tuple(causes), Repair(reading, rest.gain, rest.offset)


def _with_scale(contract: Contract, fit: ValueFit) -> tuple[Contract, ValueFit]:
    """Put a fit of codes into scale and zero point, where the zero point is a whole number."""
    if fit.name not in ("affine", "scale", "offset", "identity"):
        return contract, fit
    gain, offset = fit.gain[0], fit.offset[0]
    old_scale = tuple(map(float, contract.scale)) if len(contract.scale) == 1 else (1.0,)
    if contract.scale and len(contract.scale) > 1:
        return contract, fit
    old_zero = (contract.zero_point or (0,))[0]
    scale = gain * old_scale[0]
    zero = old_zero - offset / scale if scale else 0.5
    if scale <= 0 or abs(zero - round(zero)) > 0.2 or abs(zero) > 1 << 20:
        return contract, fit
    return replace(contract, scale=(scale,), zero_point=(round(zero),)), ValueFit("identity", fit.loss, 0.0)


def _byte_causes(
    declared: Contract, found: Contract, transpose: tuple[int, ...], size: int
) -> Iterator[Cause]:
    if found.dtype != declared.dtype or found.scale != declared.scale:
        lines = _lines(found, "dtype", "scale", "zero_point")
        yield Cause("dtype", f"stored as {found.dtype}, read as {declared.dtype}", lines)
    if found.endian != declared.endian:
        yield Cause("endian", f"stored {found.endian}-endian", _lines(found, "endian"))
    block = (found.channel_block, found.tile)
    if (found.layout, *block) != (declared.layout, declared.channel_block, declared.tile):
        lines = _lines(found, "layout", "channel_block", "tile")
        if found.layout == "tiled":
            yield Cause("tile", f"stored in tiles of {list(found.tile)}", lines)
        elif found.channel_block:
            yield Cause(
                "channel_block", f"channels in blocks of {found.channel_block} ({found.layout})", lines
            )
        else:
            yield Cause("layout", f"stored as {found.layout}, read as {declared.layout}", lines)
    if transpose:
        rank = len(transpose)
        exchanged = (*range(rank - 2), rank - 1, rank - 2)
        words = (
            "rows and columns are exchanged"
            if transpose == exchanged
            else f"axes in the order {list(transpose)}"
        )
        kind = "transpose" if transpose == exchanged else "layout"
        stored = f"shape: {list(found.shape)}"
        yield Cause(kind, words, (stored, f"transpose: {list(transpose)}"))
    for name in ("row_pitch", "channel_pitch", "batch_pitch", "header"):
        field = f"{name}_bytes"
        if getattr(found, field) != getattr(declared, field):
            value = getattr(found, field)
            words = (
                f"{value} bytes in front of the tensor"
                if name == "header"
                else f"{name.replace('_', ' ')} is {value} bytes"
            )
            yield Cause(name, words, (f"{field}: {value}",))
    if (found.full_shape != declared.full_shape and not transpose) or found.crop != declared.crop:
        begin = list(found.crop or (0,) * len(found.shape))
        words = f"{list(found.full_shape)} is stored, the tensor begins at {begin}"
        yield Cause("crop", words, _lines(found, "stored_shape", "crop"))
    missing = missing_bytes(found, size)
    if missing > 0:
        yield Cause("truncated", f"the dump ends {missing} bytes too early; the rest agrees")
    if found.tail_bytes != declared.tail_bytes:
        yield Cause(
            "tail", f"{found.tail_bytes} bytes behind the tensor", (f"tail_bytes: {found.tail_bytes}",)
        )


def _lines(contract: Contract, *names: str) -> tuple[str, ...]:
    """Give the lines of `as_yaml` of these fields; a default is written out."""
    lines = {line.split(":")[0]: line for line in as_yaml(contract).splitlines()}
    return tuple(lines[name] for name in names if name in lines)


def _order_causes(reading: Reading, letterbox: bool) -> Iterator[Cause]:
    channel = reading.contract.channel_axis
    rank = len(reading.contract.shape)
    shifts = {}
    for order in sorted(reading.orders, key=lambda one: one.axis):
        letter = axis_name(order.axis, channel, rank)
        if order.axis < channel:
            yield Cause(
                "batch",
                f"batch items in another order: {_short(order)}",
                (f"order_{letter}: {list(order.indices)}",),
            )
        elif order.axis == channel and rank > 1:
            words = (
                "channels reversed (such as BGR for RGB)"
                if order.name == "reversed"
                else f"channels in another order: {_short(order)}"
            )
            yield Cause("channel_order", words, (f"channel_order: {list(order.indices)}",))
        elif order.name == "reversed":
            yield Cause("flip", f"{letter} runs backwards", (f"flip: [{letter}]",))
        elif order.name in ("shifted", "rolled") or "shifted" in order.name:
            shifts[letter] = order
        else:
            yield Cause(
                "index_order",
                f"{letter} in another order: {_short(order)}",
                (f"order_{letter}: {list(order.indices)}",),
            )
    if shifts:
        steps = {letter: _step(order) for letter, order in shifts.items()}
        words = ", ".join(f"{letter} by {step}" for letter, step in steps.items())
        rolled = all(order.name == "rolled" for order in shifts.values())
        kind = "letterbox" if letterbox else "shift"
        what = (
            "the picture lies elsewhere in its border"
            if letterbox
            else "rolled around"
            if rolled
            else "shifted"
        )
        yield Cause(
            kind, f"{what}: {words}", tuple(f"shift_{letter}: {step}" for letter, step in steps.items())
        )


def axis_name(axis: int, channel: int, rank: int) -> str:
    """Give N, C, H, W or the like for an axis of the reference."""
    if axis < channel:
        return "N" if channel == 1 else f"N{axis}"
    if axis == channel and rank > 1:
        return "C"
    return "DHW"[axis - rank] if rank - axis <= 3 else f"axis{axis}"


def _step(order: Order) -> int:
    """Give how far to the end the board's values lie, in elements."""
    middle = next(
        place
        for place in sorted(range(len(order.indices)), key=lambda p: abs(p - len(order.indices) // 2))
        if order.indices[place] >= 0
    )
    step = order.indices[middle] - middle
    length = len(order.indices)
    return step - length if step > length // 2 else step + length if step < -(length // 2) else step


def _short(order: Order) -> str:
    shown = ", ".join(map(str, order.indices[:8]))
    return f"[{shown}{', ...' if len(order.indices) > 8 else ''}]"


def _value_causes(declared: Contract, fit: ValueFit) -> Iterator[Cause]:
    parts = fit.name.split("+")
    if parts[0] == "saturation":
        ends = [f"{end:.6g}" for end in (fit.low, fit.high) if abs(end) < 1e300]
        if any(abs(abs(end) - HALF_MOST) < 64 for end in (fit.low, fit.high)):
            yield Cause(
                "fp16_overflow",
                "stops at 65504, the largest float16",
                ("precision: {exceptions: [{scheme: float}]}",),
            )
        else:
            yield Cause(
                "saturation",
                f"the board's values stop at {' and '.join(ends)}",
                ("quantize: {calibration: minmax}",),
            )
    name = parts[-1]
    if name in ("scale", "offset", "affine", "scale_channel", "offset_channel", "affine_channel"):
        lines = _affine_lines(declared, fit)
        each = " in each channel" if name.endswith("channel") else ""
        base = name.split("_")[0]
        gain, offset = _number(fit.gain), _number(fit.offset)
        said = {"scale": f"reference = {gain} x board", "offset": f"reference = board + {offset}"}
        words = said.get(base, f"reference = {gain} x board + {offset}") + each
        yield Cause(name, words, lines)
    elif name.startswith(("missing ", "extra ")):
        how, function = name.split(" ")
        words = (
            f"{function} is missing on the board"
            if how == "missing"
            else f"{function} once too often on the board"
        )
        yield Cause("activation", words, (f"apply: {function}",) if how == "missing" else ())


def _affine_lines(declared: Contract, fit: ValueFit) -> tuple[str, ...]:
    if (
        declared.scale
        and len(fit.gain) == 1
        and len(fit.offset) == 1
        and len(declared.scale) == 1
        and fit.gain[0] > 0
    ):
        scale = float(declared.scale[0]) * fit.gain[0]
        zero = (declared.zero_point or (0,))[0] - fit.offset[0] / scale
        return (f"scale: [{scale!r}]", f"zero_point: [{round(zero)}]")
    lines = []
    if any(gain != 1 for gain in fit.gain):
        lines.append(f"gain: {[float(f'{gain:.7g}') for gain in fit.gain]}")
    if any(offset != 0 for offset in fit.offset):
        lines.append(f"offset: {[float(f'{offset:.7g}') for offset in fit.offset]}")
    return tuple(lines)


def _number(values: tuple[float, ...]) -> str:
    return (
        f"{values[0]:.5g}"
        if len(values) == 1
        else f"[{', '.join(f'{value:.4g}' for value in values[:3])}{', ...' if len(values) > 3 else ''}]"
    )
