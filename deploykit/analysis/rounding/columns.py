"""What a layer weighs: its inputs as columns, at sampled positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """How a convolution walks over its input; one entry a spatial axis, `pads` before and after."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """How far a window spans."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))


def conv_columns(
    values: Array, window: Window, *, groups: int, limit: int, random: numpy.random.Generator
) -> Array:
    """Give [groups, positions, columns] of an input [N, C, ...]: at most `limit` positions, drawn at random.

    A column is (input channel of the group, place in the kernel), as in a Conv's weight.
    """
    axes = tuple(range(2, values.ndim))
    padded = numpy.pad(values, ((0, 0), (0, 0), *window.pads))
    view = numpy.lib.stride_tricks.sliding_window_view(padded, window.reach, axis=axes)
    steps = tuple(slice(None, None, stride) for stride in window.strides)
    inside = tuple(slice(None, None, step) for step in window.dilations)
    view = view[(slice(None), slice(None), *steps, *inside)]
    places = (view.shape[0], *view.shape[2 : 2 + len(axes)])
    chosen = numpy.unravel_index(_drawn(int(numpy.prod(places)), limit, random), places)
    rows = numpy.moveaxis(view, 1, 1 + len(axes))[tuple(chosen)]
    flat = rows.reshape(len(rows), groups, -1)
    return numpy.ascontiguousarray(flat.transpose(1, 0, 2))


def row_columns(values: Array, *, limit: int, random: numpy.random.Generator) -> Array:
    """Give [1, positions, columns] of an input [..., K] of a matrix product."""
    rows = values.reshape(-1, values.shape[-1])
    return numpy.ascontiguousarray(rows[_drawn(len(rows), limit, random)][None])


def same_pads(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], *, upper: bool
) -> list[Any]:
    """Give the pads of ONNX's SAME_UPPER or SAME_LOWER."""
    found = []
    for size, reach, stride in zip(sizes, kernel, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        half = total // 2
        found.append((half, total - half) if upper else (total - half, half))
    return found


def _drawn(count: int, limit: int, random: numpy.random.Generator) -> Array:
    return numpy.arange(count) if count <= limit else random.choice(count, limit, replace=False)
