"""A convolution with long strides, over blocks: each stride's pixels become channels of one."""

from __future__ import annotations

import numpy

from deploykit.toolchains.vela.lowering import Lowering
from deploykit.toolchains.vela.operators.windows import Window
from deploykit.toolchains.vela.program import Array
from deploykit.toolchains.vela.qdq import Codes


def blocked_input(low: Lowering, source: str, window: Window, stem: str) -> str:
    """Pad an image to whole blocks, and give [1, rows, columns, stride * stride * channels]."""
    found = low.program.tensors[source]
    codes = Codes(found.scales[0], found.zero_points[0], found.dtype) if found.scales else None
    batch, height, width, deep = found.shape
    pads, sizes = [(0, 0)], []
    for axis, size in enumerate((height, width)):
        step, before = window.strides[axis], window.before[axis]
        blocks = window.results[axis] + -(-window.kernel[axis] // step) - 1
        pads.append((before, max(blocks * step - size - before, 0)))
        sizes.append(blocks)
    pads.append((0, 0))
    (rows, columns), (tall, wide) = sizes, window.strides
    whole = low.tensor(
        f"{stem}::padded", (batch, height + sum(pads[1]), width + sum(pads[2]), deep), found.dtype, codes
    )
    low.emit(
        "PAD",
        [source, low.constant(f"{stem}::widths", numpy.array(pads, numpy.int32))],
        [whole],
        "PadOptions",
    )
    if low.program.tensors[whole].shape[1:3] != (rows * tall, columns * wide):
        whole = _cut(low, whole, (batch, rows * tall, columns * wide, deep), codes, stem)
    split = low.tensor(f"{stem}::split", (batch, rows, tall, columns, wide * deep), found.dtype, codes)
    low.reshape(whole, split)
    moved = low.tensor(f"{stem}::moved", (batch, rows, columns, tall, wide * deep), found.dtype, codes)
    low.permute(split, moved, (0, 1, 3, 2, 4))
    blocked = low.tensor(f"{stem}::blocks", (batch, rows, columns, tall * wide * deep), found.dtype, codes)
    low.reshape(moved, blocked)
    return blocked


def _cut(low: Lowering, source: str, shape: tuple[int, ...], codes: Codes | None, stem: str) -> str:
    """Leave out pixels that no window reads."""
    target = low.tensor(f"{stem}::cut", shape, low.program.tensors[source].dtype, codes)
    rows = [low.integers(f"{stem}::begin", [0, 0, 0, 0]), low.integers(f"{stem}::size", shape)]
    low.emit("SLICE", [source, *rows], [target], "SliceOptions")
    return target


def blocked_weight(weight: Array, window: Window) -> Array:
    """Give [out, height, width, in] for blocks: zeros where the last block reaches past the kernel."""
    tall, wide = window.strides
    rows, columns = (-(-size // step) for size, step in zip(window.kernel, window.strides, strict=True))
    out, height, width, deep = weight.shape
    whole = numpy.pad(weight, ((0, 0), (0, rows * tall - height), (0, columns * wide - width), (0, 0)))
    split = whole.reshape(out, rows, tall, columns, wide * deep).transpose(0, 1, 3, 2, 4)
    return split.reshape(out, rows, columns, tall * wide * deep)
