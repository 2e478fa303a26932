"""Operators over the height and width of a map: pools, means, resizing."""

from __future__ import annotations

import numpy

from deploykit.toolchains.vela.lowering import Lowering
from deploykit.toolchains.vela.operators.windows import padded, window_of
from deploykit.toolchains.vela.program import Layout
from deploykit.toolchains.vela.qdq import Node, mean_axes

MOVED = {0: 0, 1: 3, 2: 1, 3: 2}
"""Where ONNX's axes of an image are in NHWC."""


def pool(low: Lowering, node: Node) -> None:
    """Write MaxPool or AveragePool; both keep their input's codes."""
    kernel = [int(size) for size in node.attributes["kernel_shape"]]
    largest = node.op == "MaxPool"
    _pool(low, node, kernel, largest=largest)


def global_max(low: Lowering, node: Node) -> None:
    """Write GlobalMaxPool as a pool over the whole map."""
    _pool(low, node, low.shape(node.reads[0].root)[2:], largest=True)


def _pool(low: Lowering, node: Node, kernel: list[int] | tuple[int, ...], *, largest: bool) -> None:
    window = window_of(low, node, kernel)
    codes = low.written(node)
    source, mode = padded(low, node, window, low.read(node, 0, "nhwc", codes), lowest=largest)
    low.emit(
        "MAX_POOL_2D" if largest else "AVERAGE_POOL_2D",
        [source],
        [low.output(node, "nhwc")],
        "Pool2DOptions",
        padding=mode,
        strideH=window.strides[0],
        strideW=window.strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )


def mean(low: Lowering, node: Node) -> None:
    """Write a mean over axes; GlobalAveragePool's are height and width."""
    read = node.reads[0]
    rank, layout = len(low.shape(read.root)), low.layout_of(read)
    axes, keep = mean_axes(node, rank), bool(node.attributes.get("keepdims", 1))
    if not keep and layout == "nhwc":
        layout = "nchw" if _reorders(axes) else layout
    source = low.read(node, 0, layout)
    own = sorted(MOVED[axis] for axis in axes) if layout == "nhwc" else axes
    target = low.output(node, layout)
    given = low.constant(f"{target}::axes", numpy.array(own, numpy.int32))
    low.emit("MEAN", [source, given], [target], "ReducerOptions", keepDims=keep)


def _reorders(axes: list[int]) -> bool:
    """Say whether what an NHWC mean leaves stands in another order than ONNX's."""
    left = [axis for axis in (0, 2, 3, 1) if axis not in axes]
    return left != sorted(left)


def resize(low: Lowering, node: Node) -> None:
    """Write Resize by its nearest or linear rule; both keep their input's codes."""
    rule = _text(node, "coordinate_transformation_mode", "half_pixel")
    nearest = _text(node, "mode", "nearest") == "nearest"
    layout: Layout = "nhwc"
    source = low.read(node, 0, layout, low.written(node))
    target = low.output(node, layout)
    size = low.integers(f"{target}::size", low.program.tensors[target].shape[1:3])
    low.emit(
        "RESIZE_NEAREST_NEIGHBOR" if nearest else "RESIZE_BILINEAR",
        [source, size],
        [target],
        "ResizeNearestNeighborOptions" if nearest else "ResizeBilinearOptions",
        alignCorners=rule == "align_corners",
        halfPixelCenters=not nearest and rule in ("half_pixel", "pytorch_half_pixel"),
    )


def _text(node: Node, name: str, default: str) -> str:
    value = node.attributes.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)
