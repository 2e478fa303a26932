"""Sorting and selecting; the counts are those of the usual algorithm at its worst."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.work import Tensors, Work, given, layer, shape, size
from deploykit.artifacts.graph import NodeInfo

OPS_PER_OVERLAP = 13
"""Overlap of two boxes: 4 max/min, 2 subtractions, 2 clips, 1 product, 2 sums, 1 division, 1 test."""


def top_k(node: NodeInfo, tensors: Tensors) -> Work:
    """TopK: every element is compared with a heap of k entries, log2(k) deep."""
    dims = shape(tensors, node.inputs[0])
    axis = int(str(node.attribute("axis", -1)))
    kept = shape(tensors, node.outputs[0] or node.outputs[1])[axis]
    return layer(node, tensors, simple=math.prod(dims) * _depth(kept))


def unique(node: NodeInfo, tensors: Tensors) -> Work:
    """Unique: a sort, n log2(n) comparisons."""
    count = size(tensors, node.inputs[0])
    return layer(node, tensors, simple=count * _depth(count))


def non_max_suppression(node: NodeInfo, tensors: Tensors) -> Work:
    """NonMaxSuppression: sort each class's boxes, then test every box against those kept so far.

    The largest number kept is max_output_boxes_per_class where it is a constant, else the number of boxes.
    """
    batch, classes, boxes = shape(tensors, node.inputs[1])
    limit = tensors[given(node, 2)].constant if given(node, 2) else None
    kept = min(boxes, int(limit[0])) if limit else boxes
    lists = batch * classes
    tests = lists * (boxes * kept - kept * (kept - 1) // 2)
    return layer(
        node,
        tensors,
        simple=lists * boxes * _depth(boxes) + tests * (OPS_PER_OVERLAP - 1),
        special=tests,
    )


def multinomial(node: NodeInfo, tensors: Tensors) -> Work:
    """Multinomial: exp and running sum per class, then one draw and a binary search per sample."""
    classes, drawn = size(tensors, node.inputs[0]), size(tensors, node.outputs[0])
    depth = _depth(shape(tensors, node.inputs[0])[-1])
    return layer(node, tensors, simple=classes + drawn * depth, special=classes + drawn)


def _depth(count: int) -> int:
    return max(1, math.ceil(math.log2(max(count, 1))))
