"""Operators that carry values to another place."""

from __future__ import annotations

import numpy

from deploykit.toolchains.vela.lowering import Lowering
from deploykit.toolchains.vela.operators.maps import MOVED
from deploykit.toolchains.vela.program import Layout
from deploykit.toolchains.vela.qdq import Constant, Node, Read


def identity(low: Lowering, node: Node) -> None:
    """Give a value a second name; in other codes where it is wanted so."""
    read = node.reads[0]
    layout = low.layout_of(read)
    codes = low.written(node)
    low.made(node.outputs[0], low.get(read.root, codes, layout), codes, layout)


def reshape(low: Lowering, node: Node) -> None:
    """Write Reshape, Flatten, Squeeze or Unsqueeze: the values in ONNX's own order under another shape."""
    read = node.reads[0]
    before, after = low.shape(read.root), low.shape(node.outputs[0])
    layout: Layout = "nchw"
    if low.layout_of(read) == "nhwc" and (before[1] == 1 or before[2:] == (1, 1)):
        layout = "nhwc"  # the same order of bytes, so that nothing has to move
    source = low.read(node, 0, layout, low.written(node))
    target_layout: Layout = "nhwc" if len(after) == 4 and after[2:] == (1, 1) else "nchw"
    low.reshape(source, low.output(node, target_layout))


def transpose(low: Lowering, node: Node) -> None:
    """Write Transpose of a value as it lies there, in the layout that moves least."""
    read = node.reads[0]
    rank = len(low.shape(read.root))
    order = [int(axis) for axis in node.attributes.get("perm", range(rank)[::-1])]
    layout = low.layout_of(read)
    if layout == "nhwc":
        order = [MOVED[axis] for axis in order]
    source = low.read(node, 0, layout, low.written(node))
    target = low.output(node, "nchw")
    low.permute(source, target, order)


def concat(low: Lowering, node: Node) -> None:
    """Write Concat; all parts take the codes of the whole."""
    rank = len(low.shape(node.outputs[0]))
    axis = int(node.attributes["axis"]) % rank
    layout: Layout = "nhwc" if any(low.layout_of(read) == "nhwc" for read in node.reads) else "nchw"
    codes = low.written(node)
    parts = []
    for at, operand in enumerate(node.inputs):
        if isinstance(operand, Constant):
            parts.append(low.encoded(operand.name, low.broadcast(operand, rank, layout), codes))
        else:
            parts.append(low.read(node, at, layout, codes))
    own = MOVED[axis] if layout == "nhwc" else axis
    low.emit("CONCATENATION", parts, [low.output(node, layout)], "ConcatenationOptions", axis=own)


def pad(low: Lowering, node: Node) -> None:
    """Write Pad: with a constant, or mirrored."""
    read = node.reads[0]
    layout, rank = low.layout_of(read), len(low.shape(read.root))
    given = node.inputs[1] if len(node.inputs) > 1 else None
    widths = given.values.tolist() if isinstance(given, Constant) else list(node.attributes["pads"])
    pairs = [(int(widths[axis]), int(widths[axis + rank])) for axis in range(rank)]
    pairs = [pairs[axis] for axis in (0, 2, 3, 1)] if layout == "nhwc" else pairs
    codes = low.written(node)
    source, target = low.read(node, 0, layout, codes), low.output(node, layout)
    table = low.constant(f"{target}::widths", numpy.array(pairs, numpy.int32))
    mode = node.attributes.get("mode", b"constant")
    if mode == b"reflect":
        low.emit("MIRROR_PAD", [source, table], [target], "MirrorPadOptions", mode=0)
        return
    filler = node.inputs[2] if len(node.inputs) > 2 else None
    value = float(filler.values) if isinstance(filler, Constant) else float(node.attributes.get("value", 0))
    if value == 0:
        low.emit("PAD", [source, table], [target], "PadOptions")
    else:
        filling = low.encoded(f"{target}::value", numpy.array([value]), codes)
        low.emit("PADV2", [source, table, filling], [target], "PadV2Options")


def slices(low: Lowering, node: Node) -> None:
    """Write Slice as STRIDED_SLICE over all axes."""
    read = node.reads[0]
    shape, layout = low.shape(read.root), low.layout_of(read)
    starts, ends, axes, steps = _bounds(node, len(shape))
    begin, stop, step = [0] * len(shape), list(shape), [1] * len(shape)
    for start, end, axis, stride in zip(starts, ends, axes, steps, strict=True):
        first, last, _ = slice(start, end, stride).indices(shape[axis])
        begin[axis], stop[axis], step[axis] = first, last, stride
    if layout == "nhwc":
        begin, stop, step = ([row[axis] for axis in (0, 2, 3, 1)] for row in (begin, stop, step))
    source, target = low.read(node, 0, layout, low.written(node)), low.output(node, layout)
    rows = [
        low.integers(f"{target}::{word}", row)
        for word, row in (("begin", begin), ("end", stop), ("step", step))
    ]
    low.emit("STRIDED_SLICE", [source, *rows], [target], "StridedSliceOptions")


def _bounds(node: Node, rank: int) -> tuple[list[int], list[int], list[int], list[int]]:
    found: list[list[int] | None] = []
    for at, name in enumerate(("starts", "ends", "axes", "steps"), start=1):
        operand = node.inputs[at] if at < len(node.inputs) else None
        value = (
            operand.values.reshape(-1).tolist()
            if isinstance(operand, Constant)
            else node.attributes.get(name)
        )
        found.append(None if value is None else [int(number) for number in value])
    starts, ends = found[0] or [], found[1] or []
    axes = [axis % rank for axis in (found[2] or range(len(starts)))]
    return starts, ends, axes, found[3] or [1] * len(starts)


def split(low: Lowering, node: Node) -> None:
    """Write Split as SPLIT_V."""
    read = node.reads[0]
    layout, rank = low.layout_of(read), len(low.shape(read.root))
    axis = int(node.attributes.get("axis", 0)) % rank
    sizes = [low.shape(name)[axis] for name in node.outputs]
    own = MOVED[axis] if layout == "nhwc" else axis
    source = low.read(node, 0, layout, low.written(node))
    table = low.integers(f"{node.outputs[0]}::sizes", sizes)
    place = low.constant(f"{node.outputs[0]}::axis", numpy.array(own, numpy.int32))
    targets = [low.output(node, layout, at) for at in range(len(node.outputs))]
    low.emit("SPLIT_V", [source, table, place], targets, "SplitVOptions", numSplits=len(sizes))


def tile(low: Lowering, node: Node) -> None:
    """Write Tile, or Expand as one."""
    read = node.reads[0]
    layout: Layout = "nchw"
    before, after = low.shape(read.root), low.shape(node.outputs[0])
    source = low.read(node, 0, layout, low.written(node))
    target = low.output(node, layout)
    if len(before) != len(after):
        found = low.program.tensors[source]
        codes = low.written(node)
        before = (1,) * (len(after) - len(before)) + before
        wide = low.tensor(f"{target}::wide", before, found.dtype, codes)
        low.reshape(source, wide)
        source = wide
    counts = [large // small for large, small in zip(after, before, strict=True)]
    low.emit("TILE", [source, low.integers(f"{target}::counts", counts)], [target], "TileOptions")


def gather(low: Lowering, node: Node) -> None:
    """Write Gather by constant indices."""
    layout: Layout = "nchw"
    indices = node.inputs[1]
    assert isinstance(indices, Constant)
    source = node.inputs[0]
    rank = len(low.shape(source.root)) if isinstance(source, Read) else 0
    axis = int(node.attributes.get("axis", 0)) % rank
    size = low.shape(node.reads[0].root)[axis]
    given = low.constant(f"{node.outputs[0]}::indices", (indices.values % size).astype(numpy.int32))
    data = low.read(node, 0, layout, low.written(node))
    low.emit("GATHER", [data, given], [low.output(node, layout)], "GatherOptions", axis=axis)
