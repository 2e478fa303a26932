"""Scales and zero points of tensors, as vendors' files want them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Encoding:
    """How one tensor's values become codes: value = (code - zero point) * scale.

    `scales` and `zero_points` are row-major in `shape`: () for one scale, one size for channels along
    `axis`, the weight's own rank where a scale holds for `block` weights along `axis`. `tensor` is the float
    network's name; `dtype` is ONNX's ("int8", "uint16", "int4" ...).
    """

    tensor: str
    kind: Literal["activation", "weight"]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    shape: tuple[int, ...] = ()
    axis: int | None = None
    block: int | None = None

    @property
    def bits(self) -> int:
        """Width of a code."""
        return int(self.dtype.removeprefix("u").removeprefix("int"))

    @property
    def code_range(self) -> tuple[int, int]:
        """Lowest and highest code of the type, both included."""
        lowest = 0 if self.dtype.startswith("u") else -(1 << (self.bits - 1))
        return lowest, lowest + (1 << self.bits) - 1

    @property
    def is_symmetric(self) -> bool:
        """Whether 0 is the middle code."""
        middle = self.code_range[0] + (1 << (self.bits - 1))
        return all(zero == middle for zero in self.zero_points)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The lowest and highest value of each scale."""
        lowest, highest = self.code_range
        return tuple(
            ((lowest - zero) * scale, (highest - zero) * scale)
            for scale, zero in zip(self.scales, self.zero_points, strict=True)
        )

    def offsets(self) -> Iterator[int]:
        """Give min / scale, which is what must be added to codes that count from 0."""
        lowest, _ = self.code_range
        return (lowest - zero for zero in self.zero_points)
