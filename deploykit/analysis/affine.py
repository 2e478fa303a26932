"""Integer codes for real numbers: scales, zero points, weights and biases.

    value = (code - zero_point) * scale

Scales are float32 values, as ONNX stores them; everything else is computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
CodeType: TypeAlias = Literal["int8", "uint8", "int16", "uint16"]

CODE_RANGE: dict[CodeType, tuple[int, int]] = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
}
WEIGHT_LIMIT = 127
"""Weights use the symmetric half [-127, 127], so that negating them loses nothing."""

SMALLEST_SCALE = 1e-12
"""Smaller scales would make the product of two of them a subnormal float32."""

BIAS_LIMIT = 2**30
"""A bias takes at most half of the int32 accumulator; the other half is for the products."""


@dataclass(frozen=True)
class Affine:
    """How one tensor's values become codes."""

    scale: float
    zero_point: int
    dtype: CodeType

    def codes(self, values: Array) -> Array:
        """Round to the nearest code (ties to even, as ONNX does); what is outside the range saturates."""
        lowest, highest = CODE_RANGE[self.dtype]
        # float32 division, so that a value that came from a code goes back to the same one in any runtime
        scaled = numpy.rint(numpy.asarray(values, numpy.float32) / numpy.float32(self.scale)).astype(
            numpy.float64
        )
        return numpy.asarray(numpy.clip(scaled + self.zero_point, lowest, highest), self.dtype)

    def values(self, codes: Array) -> Array:
        """Give the real numbers that codes stand for, in float32."""
        return (codes.astype(numpy.int32) - self.zero_point).astype(numpy.float32) * numpy.float32(self.scale)

    def rounded(self, values: Array) -> Array:
        """Give what the codes of float32 values stand for."""
        lowest, highest = CODE_RANGE[self.dtype]
        scale = numpy.float32(self.scale)
        codes = numpy.rint(values / scale)
        return numpy.clip(codes, lowest - self.zero_point, highest - self.zero_point, out=codes) * scale


def code_type(eight: Literal["int8", "uint8"], bits: int) -> CodeType:
    """Give the type of the same sign with 8 or 16 bits."""
    if bits == 8:
        return eight
    return "int16" if eight == "int8" else "uint16"


def affine_for_range(low: float, high: float, dtype: CodeType) -> Affine:
    """Spread a type's codes over [low, high], widened to hold 0, which gets a code of its own."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    lowest, highest = CODE_RANGE[dtype]
    if low == high:
        return Affine(1.0, lowest, dtype)
    scale = float(numpy.float32(max((high - low) / (highest - lowest), SMALLEST_SCALE)))
    zero_point = int(numpy.clip(round(lowest - low / scale), lowest, highest))
    return Affine(scale, zero_point, dtype)


def scales_that_hold(bias: Array, activation_scale: float) -> Array:
    """Give the smallest weight scale of each channel at which its bias fits the int32 accumulator.

    A bias is stored in steps of activation scale x weight scale. Where the weights of a channel are tiny
    beside its bias, their scale has to grow, or the bias would saturate; the weights then hardly matter
    anyway.
    """
    return (numpy.abs(bias.astype(numpy.float64)) / (activation_scale * BIAS_LIMIT)).astype(numpy.float32)


def bias_codes(bias: Array, scales: Array) -> Array:
    """Round a bias to int32 codes; `scales` = activation scale x weight scales, one each or one for all."""
    codes = numpy.rint(bias.astype(numpy.float64) / scales.astype(numpy.float64))
    return numpy.clip(codes, -(2**31) + 1, 2**31 - 1).astype(numpy.int32)
