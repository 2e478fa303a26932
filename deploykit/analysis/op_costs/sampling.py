"""Operators that read an image between its pixels.

A value sampled from t taps takes t multiplications and t - 1 additions: 2 taps an axis (linear) or 4 (cubic).
A place takes about 6 operations an axis: to pixels (2), floor, fraction, the weight's complement, the border.
"""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.work import Tensors, Work, integer, layer, shape, size, text
from deploykit.artifacts.graph import NodeInfo

LOCATION_OPS = 6
TAPS_PER_AXIS = {"nearest": 1, "linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}


def sample_ops(mode: str, rank: int) -> int:
    """Give the operations of one interpolated value over `rank` axes; a nearest one is only copied."""
    taps = TAPS_PER_AXIS[mode] ** rank
    return 2 * taps - 1 if taps > 1 else 0


def grid_sample(node: NodeInfo, tensors: Tensors) -> Work:
    """GridSample: one place per grid point, one interpolated value per channel there."""
    out = shape(tensors, node.outputs[0])
    rank = len(out) - 2
    places = out[0] * math.prod(out[2:])
    mode = text(node, "mode", "linear")
    return layer(node, tensors, simple=places * (LOCATION_OPS * rank + sample_ops(mode, rank) * out[1]))


def resize(node: NodeInfo, tensors: Tensors) -> Work:
    """Resize: one interpolated value per output element over the axes that change; places are constants."""
    source, out = shape(tensors, node.inputs[0]), shape(tensors, node.outputs[0])
    axes = sum(before != after for before, after in zip(source, out, strict=False))
    simple = math.prod(out) * sample_ops(text(node, "mode", "nearest"), axes)
    return layer(node, tensors, simple=simple)


def affine_grid(node: NodeInfo, tensors: Tensors) -> Work:
    """AffineGrid: a matrix of n rows and n + 1 columns times every place."""
    out = shape(tensors, node.outputs[0])
    return layer(node, tensors, macs=math.prod(out) * (out[-1] + 1))


def roi_align(node: NodeInfo, tensors: Tensors) -> Work:
    """RoiAlign: bilinear samples per bin, pooled; sampling_ratio 0 counts as if every box covered the map."""
    out, image = shape(tensors, node.outputs[0]), shape(tensors, node.inputs[0])
    ratio = integer(node, "sampling_ratio", 0)
    samples = ratio**2 if ratio else math.ceil(image[2] / out[2]) * math.ceil(image[3] / out[3])
    places = out[0] * out[2] * out[3] * samples
    return layer(node, tensors, simple=places * (2 * LOCATION_OPS + (sample_ops("linear", 2) + 1) * out[1]))


def max_roi_pool(node: NodeInfo, tensors: Tensors) -> Work:
    """MaxRoiPool: one comparison per pixel of every box, counted as if every box covered the map."""
    boxes, image = shape(tensors, node.inputs[1])[0], shape(tensors, node.inputs[0])
    return layer(node, tensors, simple=boxes * math.prod(image[1:]))


def col2im(node: NodeInfo, tensors: Tensors) -> Work:
    """Col2Im: every column element is added to its pixel."""
    return layer(node, tensors, simple=size(tensors, node.inputs[0]))
