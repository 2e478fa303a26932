"""Weights of each kind of layer as matrices [groups, rows, columns], and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class LayerForm:
    """The layout of one weight.

    `rows` is the axis of output channels of a layer whose columns are its inputs (Conv, Gemm, a MatMul with
    one matrix), else None. `axis` is the axis along which scales lie, None for one scale for all.
    """

    shape: tuple[int, ...]
    rows: int | None
    axis: int | None
    groups: int = 1

    @property
    def _first(self) -> int | None:
        return self.axis if self.rows is None else self.rows

    @property
    def inputs_at(self) -> int:
        """The axis of input channels, along which blocks lie."""
        return 1 if self.rows == 0 else 0

    def matrix(self, weights: Array) -> Array:
        """Give [groups, rows, columns]; all in one row where the weight has no axis of its own."""
        if self._first is None:
            return weights.reshape(1, 1, -1)
        count = self.shape[self._first]
        return numpy.moveaxis(weights, self._first, 0).reshape(self.groups, count // self.groups, -1)

    def unfold(self, matrix: Array) -> Array:
        """Give a matrix the weight's own layout again."""
        if self._first is None:
            return matrix.reshape(self.shape)
        others = (size for index, size in enumerate(self.shape) if index != self._first)
        moved = matrix.reshape(self.shape[self._first], *others)
        return numpy.ascontiguousarray(numpy.moveaxis(moved, 0, self._first))

    def blocks(self, block: int | None) -> Array:
        """Give each column's block: `block` input channels at one place of the kernel; None: all in one."""
        rows = 1 if self._first is None else self.shape[self._first]
        if block is None:
            return numpy.zeros(math.prod(self.shape) // rows, numpy.int64)
        channels = self.shape[self.inputs_at]
        kernel = math.prod(self.shape) // (rows * channels)
        found = (numpy.arange(channels) // block)[:, None] * kernel + numpy.arange(kernel)
        return found.reshape(-1)

    def block_scales(self, scales: Array) -> Array:
        """Give scales [groups, rows, blocks] the layout of ONNX: the weight's, shorter along the inputs."""
        if self.rows == 0:
            return scales.reshape(self.shape[0], -1, *self.shape[2:])
        return numpy.ascontiguousarray(scales[0].T)
