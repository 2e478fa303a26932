"""What each layer's inputs look like over the calibration data, as far as rounding its weights needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from onnx import NodeProto, helper

from deploykit.analysis.affine import Array
from deploykit.analysis.rounding.columns import Window, conv_columns, row_columns, same_pads
from deploykit.artifacts.model import Partition
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.layers import Layer, Parameters, WeightUse, attribute
from deploykit.stages.quantize.placement import Placement
from deploykit.tasks.protocol import Clip, Frame
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped

GRAM_LIMIT_BYTES = 1 << 28
"""Products of inputs that are held at a time; more layers take further passes over the data."""

POSITIONS, VALUES = 512, 1 << 19
"""How many positions of each layer's input are drawn in a frame, and how many values at most."""


@dataclass
class InputStatistics:
    """Sums over a layer's sampled inputs, as it reads them: rounded to codes.

    `gram` [groups, columns, columns] is the sum of inputs x inputs^T.
    """

    gram: Array
    samples: int = 0


def input_statistics(
    partition: Partition,
    layers: Sequence[Layer],
    clips: Iterable[Clip],
    parameters: Parameters,
    placement: Placement,
    *,
    workspace: Workspace,
) -> dict[WeightUse, InputStatistics]:
    """Run the float network over the clips and watch the inputs of all layers that weigh them.

    Layers whose `gram` would exceed the limit by itself are left out.
    """
    found: dict[WeightUse, InputStatistics] = {}
    for batch in _batches([layer for layer in layers if gram_fits(layer)]):
        found |= _gather(partition, batch, clips, parameters, placement, workspace)
    return found


def _gather(
    partition: Partition,
    layers: Sequence[Layer],
    clips: Iterable[Clip],
    parameters: Parameters,
    placement: Placement,
    workspace: Workspace,
) -> dict[WeightUse, InputStatistics]:
    found: dict[WeightUse, InputStatistics] = {}
    random = numpy.random.default_rng(0)
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, [layer.source for layer in layers], folder)
        network = ReferenceNetwork(inside, files, exact=True)
        for clip in workspace.track(clips, "watching the layers' inputs"):
            network.reset()
            for frame in clip.frames:
                values = {**frame, **network(frame)}
                for layer in layers:
                    if layer.source in values:
                        _observe(found, layer, values, parameters, placement, random)
    return found


def _observe(
    found: dict[WeightUse, InputStatistics],
    layer: Layer,
    values: Frame,
    parameters: Parameters,
    placement: Placement,
    random: numpy.random.Generator,
) -> None:
    columns = layer_columns(layer, values[layer.source], random)
    affine = parameters.get((layer.source, placement.width(layer.source, layer.operands.bits)))
    codes = columns if affine is None else affine.rounded(columns)
    groups, _, size = columns.shape
    if layer.use not in found:
        square = numpy.zeros((groups, size, size), numpy.float32)
        found[layer.use] = InputStatistics(square)
    seen = found[layer.use]
    seen.gram += numpy.swapaxes(codes, 1, 2) @ codes
    seen.samples += columns.shape[1]


def layer_columns(layer: Layer, values: Array, random: numpy.random.Generator) -> Array:
    """Give sampled inputs of a layer as [groups, positions, columns]."""
    node = layer.node
    limit = max(1, min(POSITIONS, VALUES // (layer.use.form.groups * len(layer.use.form.blocks(None)))))
    if node.op_type != "Conv":
        if node.op_type == "Gemm" and attribute(node, "transA", 0):
            values = values.T
        return row_columns(values, limit=limit, random=random)
    window = conv_window(node, layer.use.form.shape[2:], values.shape[2:])
    return conv_columns(values, window, groups=layer.use.form.groups, limit=limit, random=random)


def conv_window(node: NodeProto, kernel: Sequence[int], sizes: Sequence[int]) -> Window:
    """Read a Conv's attributes."""
    given: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    ones = [1] * len(kernel)
    strides, dilations = given.get("strides", ones), given.get("dilations", ones)
    ends = given.get("pads", [0] * 2 * len(kernel))
    pads = list(zip(ends[: len(kernel)], ends[len(kernel) :], strict=True))
    auto = given.get("auto_pad", b"NOTSET").decode()
    if auto.startswith("SAME"):
        reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
        pads = same_pads(sizes, reach, strides, upper=auto == "SAME_UPPER")
    elif auto == "VALID":
        pads = [(0, 0)] * len(kernel)
    return Window(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads))


def _batches(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    """Split layers so that the products of each batch fit the limit; those of one weight stay together."""
    by_use: Mapping[WeightUse, list[Layer]] = {layer.use: [] for layer in layers}
    for layer in layers:
        by_use[layer.use].append(layer)
    batch: list[Layer] = []
    held = 0
    for users in by_use.values():
        size = _gram_bytes(users[0])
        if held + size > GRAM_LIMIT_BYTES:
            yield batch
            batch, held = [], 0
        batch += users
        held += size
    if batch:
        yield batch


def gram_fits(layer: Layer) -> bool:
    """Say whether a layer weighs inputs whose products with each other fit the limit."""
    return layer.use.form.rows is not None and _gram_bytes(layer) <= GRAM_LIMIT_BYTES


def _gram_bytes(layer: Layer) -> int:
    form = layer.use.form
    columns = len(form.blocks(None))
    return 4 * form.groups * columns * columns
