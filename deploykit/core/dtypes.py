"""ONNX element types: their names in artifacts, their sizes, and what numpy calls them.

    "float" <-> 1 <-> 32 bits <-> numpy.float32

Names are ONNX's own in lower case. Types below a byte are packed: two int4 values share a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class ElementType:
    """One row: ONNX's number, the bits that a value takes (0: no fixed size), numpy's or ml_dtypes' name."""

    code: int
    bits: int
    numpy_name: str
    from_ml_dtypes: bool = False


ELEMENT_TYPES: dict[str, ElementType] = {
    "undefined": ElementType(0, 0, ""),
    "float": ElementType(1, 32, "float32"),
    "uint8": ElementType(2, 8, "uint8"),
    "int8": ElementType(3, 8, "int8"),
    "uint16": ElementType(4, 16, "uint16"),
    "int16": ElementType(5, 16, "int16"),
    "int32": ElementType(6, 32, "int32"),
    "int64": ElementType(7, 64, "int64"),
    "string": ElementType(8, 0, "object"),
    "bool": ElementType(9, 8, "bool"),
    "float16": ElementType(10, 16, "float16"),
    "double": ElementType(11, 64, "float64"),
    "uint32": ElementType(12, 32, "uint32"),
    "uint64": ElementType(13, 64, "uint64"),
    "complex64": ElementType(14, 64, "complex64"),
    "complex128": ElementType(15, 128, "complex128"),
    "bfloat16": ElementType(16, 16, "bfloat16", True),
    "float8e4m3fn": ElementType(17, 8, "float8_e4m3fn", True),
    "float8e4m3fnuz": ElementType(18, 8, "float8_e4m3fnuz", True),
    "float8e5m2": ElementType(19, 8, "float8_e5m2", True),
    "float8e5m2fnuz": ElementType(20, 8, "float8_e5m2fnuz", True),
    "uint4": ElementType(21, 4, "uint4", True),
    "int4": ElementType(22, 4, "int4", True),
    "float4e2m1": ElementType(23, 4, "float4_e2m1fn", True),
    "float8e8m0": ElementType(24, 8, "float8_e8m0fnu", True),
    "uint2": ElementType(25, 2, "uint2", True),
    "int2": ElementType(26, 2, "int2", True),
}
_NAMES = {row.code: name for name, row in ELEMENT_TYPES.items()}


def dtype_name(code: int) -> str:
    """Give the name of ONNX's element type number; numbers that ONNX added later give "undefined"."""
    return _NAMES.get(code, "undefined")


def element_type(name: str) -> int:
    """Give ONNX's number of an element type."""
    return ELEMENT_TYPES[name].code


def numpy_dtype(name: str) -> numpy.dtype[Any]:
    """Give the numpy type that holds such values; types below a byte take a whole byte a value in numpy."""
    import numpy

    row = ELEMENT_TYPES[name]
    if not row.from_ml_dtypes:
        return numpy.dtype(row.numpy_name)
    import ml_dtypes

    found: numpy.dtype[Any] = numpy.dtype(getattr(ml_dtypes, row.numpy_name))
    return found


def bits(name: str) -> int:
    """Give how many bits a value takes; 0 for strings, which have no fixed size."""
    return ELEMENT_TYPES[name].bits


def size_bytes(name: str, count: int) -> int:
    """Give how many bytes `count` packed values take; the last byte may be part empty."""
    return -(-count * ELEMENT_TYPES[name].bits // 8)


def is_float(name: str) -> bool:
    """Say whether values are floating point numbers (of any width)."""
    return name == "double" or name.startswith(("float", "bfloat"))
