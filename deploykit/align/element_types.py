"""Element types as boards store them, decoded with numpy alone.

Names are ONNX's in lower case, as in `core.dtypes`; `fp16`, `f32`, `bf16`, `i8` and the like are read too.
Fixed point is `qM.N` (signed) or `uqM.N`: value = code / 2^N. M + N bits, or one more for the sign (both
ways of counting are in use), have to make 8, 16 or 32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.core.errors import input_error
from deploykit.core.names import did_you_mean

Array: TypeAlias = NDArray[Any]

STORAGE: dict[str, str] = {
    "bfloat16": "u2",
    "bool": "u1",
    "double": "f8",
    "float": "f4",
    "float16": "f2",
    "float8e4m3fn": "u1",
    "float8e5m2": "u1",
    "int16": "i2",
    "int32": "i4",
    "int4": "u1",
    "int64": "i8",
    "int8": "i1",
    "uint16": "u2",
    "uint32": "u4",
    "uint4": "u1",
    "uint64": "u8",
    "uint8": "u1",
}
"""numpy's type of the stored code; two 4-bit values share a byte."""

ALIASES: dict[str, str] = {
    "bf16": "bfloat16",
    "f16": "float16",
    "f32": "float",
    "f64": "double",
    "float32": "float",
    "float64": "double",
    "float8_e4m3": "float8e4m3fn",
    "float8_e4m3fn": "float8e4m3fn",
    "float8_e5m2": "float8e5m2",
    "fp16": "float16",
    "fp32": "float",
    "fp64": "double",
    "fp8_e4m3fn": "float8e4m3fn",
    "fp8_e5m2": "float8e5m2",
    "half": "float16",
    **{f"i{bits}": f"int{bits}" for bits in (4, 8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (4, 8, 16, 32, 64)},
}
_FIXED = re.compile(r"(u?)q(\d+)\.(\d+)")


@dataclass(frozen=True)
class FixedPoint:
    """A fixed point type: bits in all, bits behind the point."""

    bits: int
    fraction: int
    signed: bool


def known_type(name: str, where: str = "dtype") -> str:
    """Give the full name of an element type.

    Raises:
        InputError: no such type.
    """
    short = name.strip().lower()
    found = ALIASES.get(short, short)
    if found in STORAGE or fixed_point(found):
        return found
    hint = did_you_mean(short, (*STORAGE, *ALIASES))
    raise input_error(where, f"no element type {name!r}{hint}", "fixed point is written q7.8 or uq8.8")


@cache
def fixed_point(name: str) -> FixedPoint | None:
    """Read `qM.N`; None where the name is none or the bits make no 8, 16 or 32."""
    match = _FIXED.fullmatch(name)
    if not match:
        return None
    signed, fraction = not match[1], int(match[3])
    total = int(match[2]) + fraction
    if signed and total + 1 in (8, 16, 32):
        total += 1
    return FixedPoint(total, fraction, signed) if total in (8, 16, 32) else None


@cache
def bits(name: str) -> int:
    """Give the bits that one stored value takes."""
    if name in ("int4", "uint4"):
        return 4
    return storage(name).itemsize * 8


@cache
def storage(name: str, endian: str = "little") -> numpy.dtype[Any]:
    """Give numpy's type of the stored codes (of a byte that two values share for 4 bits)."""
    fixed = fixed_point(name)
    code = f"{'i' if fixed.signed else 'u'}{fixed.bits // 8}" if fixed else STORAGE[name]
    return numpy.dtype(("<" if endian == "little" else ">") + code)


def is_integer(name: str) -> bool:
    """Say whether values are whole numbers, so that a scale and a zero point can stand beside them."""
    return name.startswith(("int", "uint"))


def is_coded(name: str) -> bool:
    """Say whether numpy lacks the type, so that codes have to be turned into values."""
    return name in ("bfloat16", "bool") or name.startswith("float8") or fixed_point(name) is not None


def code_range(name: str) -> tuple[int, int] | None:
    """Give the least and the largest code of an integer or fixed point type; None for others."""
    fixed = fixed_point(name)
    if not fixed and not is_integer(name):
        return None
    width = fixed.bits if fixed else bits(name)
    signed = fixed.signed if fixed else name.startswith("int")
    return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)


def unpack(packed: Array, name: str, endian: str) -> Array:
    """Give one 4-bit value a byte; the low half comes first, the high one in big-endian dumps."""
    halves = (packed & 15, packed >> 4)
    codes = numpy.stack(halves if endian == "little" else halves[::-1], axis=-1).reshape(-1)
    return (codes ^ 8).astype(numpy.int8) - numpy.int8(8) if name == "int4" else codes


def pack(codes: Array, endian: str) -> Array:
    """Put two 4-bit values into a byte, the reverse of `unpack`; an odd last one is alone."""
    even = numpy.zeros(-(-codes.size // 2) * 2, numpy.uint8)
    even[: codes.size] = codes.reshape(-1).view(numpy.uint8) & 15
    first, second = (even[0::2], even[1::2]) if endian == "little" else (even[1::2], even[0::2])
    return numpy.asarray(first | (second << 4))


def to_values(codes: Array, name: str) -> Array:
    """Turn stored codes into numbers; a view where numpy has the type itself."""
    fixed = fixed_point(name)
    if fixed:
        wide = codes.astype(numpy.float64 if fixed.bits == 32 else numpy.float32)
        return numpy.asarray(numpy.ldexp(wide, -fixed.fraction))
    if name == "bfloat16":
        return (codes.astype(numpy.uint32) << 16).view(numpy.float32)
    if name.startswith("float8"):
        return float8_table(name)[codes]
    return codes != 0 if name == "bool" else codes


def to_codes(values: Array, name: str) -> Array:
    """Turn numbers into stored codes: the nearest one, ties to even; integers stop at their ends."""
    fixed, limits = fixed_point(name), code_range(name)
    if limits is not None:
        if numpy.issubdtype(values.dtype, numpy.floating) or fixed:
            scaled = numpy.rint(values.astype(numpy.float64) * (2.0**fixed.fraction if fixed else 1.0))
            return _clipped(scaled, name, *limits)
        low, high = max(limits[0], _least(values)), min(limits[1], _most(values))
        return numpy.asarray(numpy.clip(values, low, high).astype(_code_type(name)))
    if name == "bool":
        return numpy.asarray(values != 0).astype(numpy.uint8)
    if name == "bfloat16":
        return _bfloat16(values.astype(numpy.float32))
    if name.startswith("float8"):
        return _nearest_float8(values.astype(numpy.float32), name)
    with numpy.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, as on a board
        return values.astype(storage(name))


def _clipped(values: Array, name: str, low: int, high: int) -> Array:
    kind = _code_type(name)
    inside = numpy.clip(numpy.nan_to_num(values, nan=0.0), float(low), float(high))
    codes = inside.astype(kind) if high < 1 << 53 else inside.clip(max=numpy.nextafter(high, 0)).astype(kind)
    return numpy.asarray(codes)


def _code_type(name: str) -> numpy.dtype[Any]:
    return numpy.dtype(numpy.int8) if name == "int4" else storage(name)


def _least(values: Array) -> int:
    return int(numpy.iinfo(values.dtype).min) if values.dtype.kind in "iu" else 0


def _most(values: Array) -> int:
    return int(numpy.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1


def _bfloat16(values: Array) -> Array:
    word = values.view(numpy.uint32)
    rounded = (word + numpy.uint32(0x7FFF) + ((word >> 16) & 1)) >> 16
    return numpy.where(numpy.isnan(values), (word >> 16) | 0x40, rounded).astype(numpy.uint16)


@cache
def float8_table(name: str) -> Array:
    """Give the float32 value of each of the 256 codes (OCP 8-bit floating point: E4M3 without infinities,
    one NaN a sign; E5M2 as IEEE)."""
    codes = numpy.arange(256)
    mantissa_bits, bias = (3, 7) if name == "float8e4m3fn" else (2, 15)
    exponent = (codes & 0x7F) >> mantissa_bits
    fraction = (codes & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    values = numpy.where(
        exponent > 0, (1 + fraction) * 2.0 ** (exponent - bias), fraction * 2.0 ** (1.0 - bias)
    )
    if name == "float8e4m3fn":
        values[(codes & 0x7F) == 0x7F] = numpy.nan
    else:
        values[(codes & 0x7F) == 0x7C] = numpy.inf
        values[(codes & 0x7F) > 0x7C] = numpy.nan
    return numpy.where(codes & 0x80, -values, values).astype(numpy.float32)


def _nearest_float8(values: Array, name: str) -> Array:
    """Give the nearest code, ties to even; beyond the largest value: NaN (E4M3) or infinity (E5M2)."""
    table = float8_table(name)[:128].astype(numpy.float64)
    finite = table[numpy.isfinite(table)]
    size = numpy.abs(values.astype(numpy.float64))
    steps = numpy.append(finite, 2 * finite[-1] - finite[-2])  # the value that would come next
    above = numpy.searchsorted(steps, numpy.nan_to_num(size, nan=0.0, posinf=numpy.inf)).clip(
        1, len(steps) - 1
    )
    low, high = size - steps[above - 1], steps[above] - size
    codes = numpy.where((low < high) | ((low == high) & (above % 2 == 1)), above - 1, above)
    codes = numpy.where(numpy.isnan(values), 0x7F, numpy.minimum(codes, 0x7F if len(finite) == 127 else 0x7C))
    return (codes | numpy.where(numpy.signbit(values), 0x80, 0)).astype(numpy.uint8)
