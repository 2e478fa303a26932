"""Go through the quantized network layer by layer: round each one's weights for the inputs that it now has,
then make up for what that does to the mean of its outputs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import ModelProto, NodeProto

from deploykit.analysis.affine import Array
from deploykit.analysis.rounding.paired import PairedInputs
from deploykit.artifacts.model import Partition
from deploykit.core.graph.model import OnnxModel
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.layers import Layer, Parameters, WeightUse
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.quantize.pieces import Pieces
from deploykit.stages.quantize.placement import Placement
from deploykit.stages.quantize.prepare import PreparedSegment
from deploykit.stages.quantize.statistics import gram_fits, layer_columns
from deploykit.stages.quantize.weights import RoundedWeight, rerounded
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork, zeros

FRAMES = 32
"""How many frames are held at most, spread over the calibration data."""

HELD_BYTES = 1 << 30
"""What their tensors take at most."""

INLINE_BYTES = 1 << 30


@dataclass
class Refined:
    """What the walk found: weights by their use, and by node what its bias grows by, one number a channel."""

    weights: dict[WeightUse, RoundedWeight]
    corrections: dict[str, Array]
    notices: tuple[str, ...] = ()


def hold_frames(
    partition: Partition, clips: Iterable[Clip], *, count: int, workspace: Workspace
) -> list[dict[str, Array]]:
    """Keep a few of the clips' `count` frames, with the float network's states."""
    step, seen = -(-count // _most_frames(partition)), 0
    held = []
    network = ReferenceNetwork(partition, workspace, exact=True) if partition.state else None
    for clip in workspace.track(clips, "holding frames"):
        state = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
        if network is not None:
            network.reset()
        for frame in clip.frames:
            if seen % step == 0:
                held.append({**frame, **state})
            if network is not None:
                values = network(frame)
                state = {pair.input: values[pair.output] for pair in partition.state}
            seen += 1
    return held


def _most_frames(partition: Partition) -> int:
    """Give how many frames fit the limit, if eight tensors of the largest size are held of each."""
    sizes = [info.shape for info in partition.tensor.values() if info.shape and not info.is_weight]
    counts = [math.prod(size for size in shape if isinstance(size, int)) for shape in sizes]
    return max(1, min(FRAMES, HELD_BYTES // (8 * 4 * max(counts, default=1))))


def refine(
    prepared: Sequence[PreparedSegment],
    models: Sequence[OnnxModel],
    layers: Sequence[Layer],
    frames: Sequence[Mapping[str, Array]],
    weights: Mapping[WeightUse, RoundedWeight],
    parameters: Parameters,
    placement: Placement,
    *,
    params: QuantizeParams,
) -> Refined:
    """Walk through the quantized segments `models` and the float ones side by side, layer after layer.

    Each layer sees the outputs of earlier ones as they have become. Its weights are fitted to them and
    rounded (`rerounded`), then its bias takes the difference of the float network's mean output to its own:
    Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction", arXiv
    1906.04721, section 4.2, empirical. Segments with more than `INLINE_BYTES` of weights end the walk.
    """
    found = Refined(dict(weights), {})
    floats, integers = [dict(frame) for frame in frames], [dict(frame) for frame in frames]
    uses = [layer.use for layer in layers]
    for index, (segment, model) in enumerate(zip(prepared, models, strict=True)):
        later = {value.name for other in models[index + 1 :] for value in other.proto.graph.input}
        own = [layer for layer in layers if layer.segment is segment]
        walk = _walk(segment, model, own, (floats, integers), later)
        if walk is None:
            found.notices = (_unseen(segment),)
            break
        for layer, corrects in walk.events:
            if corrects and params.bias_correction:
                found.corrections[layer.id] = walk.corrected(layer)
            elif not corrects and params.rounding != "nearest" and uses.count(layer.use) == 1:
                halves = walk.inputs(layer)
                found.weights[layer.use] = rerounded(layer, halves, parameters, placement, params=params)
                walk.put_weights(layer, found.weights[layer.use])
        walk.finish()
    return found


def _unseen(segment: PreparedSegment) -> str:
    size = f"more than {INLINE_BYTES / 2**30:.3g} GiB"
    return (
        f"{segment.segment.name} has too many weights to be run node by node ({size}): "
        "from there on weights go to the nearest code, and biases make up for nothing"
    )


@dataclass(frozen=True)
class _Walk:
    """A segment of both networks; `nodes` and `ends`: each layer's node and output in the quantized one.

    `events` are layers whose weights (False) and biases (True) have their turn, in the order of the nodes:
    the MatMul of one may stand between the MatMul of another and its Add.
    """

    floats: Pieces
    integers: Pieces
    nodes: Mapping[str, NodeProto]
    ends: Mapping[str, str]
    events: Sequence[tuple[Layer, bool]]

    def inputs(self, layer: Layer) -> tuple[PairedInputs, PairedInputs]:
        """Run both up to a layer and sample what it reads, at the same places; half of the frames each."""
        form = layer.use.form
        size = form.groups, len(form.blocks(None))
        halves = PairedInputs.nothing(*size), PairedInputs.nothing(*size)
        source = self.nodes[layer.id].input[_source_at(layer)]
        self.floats.run_to(layer.source)
        self.integers.run_to(source)
        pairs = zip(self.floats.values, self.integers.values, strict=True)
        for number, (wanted, now) in enumerate(pairs):
            columns = (
                layer_columns(layer, values, numpy.random.default_rng(number))
                for values in (now[source], wanted[layer.source])
            )
            halves[2 * number >= len(self.floats.values)].add(*columns)
        return halves

    def put_weights(self, layer: Layer, weight: RoundedWeight) -> None:
        """Let the quantized network go on with these weights."""
        values = layer.use.form.unfold(weight.values).astype(numpy.float32)
        self.integers.replace_input(self.nodes[layer.id], 1 - _source_at(layer), values)

    def corrected(self, layer: Layer) -> Array:
        """Run both through a layer, and move the quantized one's outputs by the difference of the means."""
        assert layer.bias is not None
        output, end = layer.bias[0].output[0], self.ends[layer.id]
        self.floats.run_to(output)
        self.integers.run_to(end)
        wanted, now = _mean(layer, self.floats.values, output), _mean(layer, self.integers.values, end)
        for frame in self.integers.values:
            frame[end] = frame[end] + _along_channels(layer, wanted - now, frame[end])
        return wanted - now

    def finish(self) -> None:
        """Run both to the end."""
        self.floats.run_all()
        self.integers.run_all()


def _walk(
    segment: PreparedSegment,
    model: OnnxModel,
    layers: Sequence[Layer],
    values: tuple[list[dict[str, Array]], list[dict[str, Array]]],
    later: Collection[str],
) -> _Walk | None:
    """Open a segment of both networks; None where it is too large to be held."""
    source, target = segment.model.inlined(INLINE_BYTES), model.inlined(INLINE_BYTES)
    if source is None or target is None:
        return None
    by_name = {node.name: node for node in target.graph.node}
    made = {name for node in target.graph.node for name in node.output}
    nodes = {layer.id: by_name[layer.node.name] for layer in layers}
    ends = {}
    for layer in layers:
        name = layer.bias[0].output[0] if layer.bias else layer.node.output[0]
        ends[layer.id] = f"{name}::float" if f"{name}::float" in made else name
    read = {nodes[layer.id].input[_source_at(layer)] for layer in layers}
    wanted = {layer.bias[0].output[0] for layer in layers if layer.bias}
    return _Walk(
        Pieces(source, values[0], stops={layer.source for layer in layers} | wanted, outputs=later),
        Pieces(target, values[1], stops=read | set(ends.values()), outputs=later),
        nodes,
        ends,
        _events(target, layers, nodes, ends),
    )


def _events(
    proto: ModelProto, layers: Sequence[Layer], nodes: Mapping[str, NodeProto], ends: Mapping[str, str]
) -> list[tuple[Layer, bool]]:
    """Order what is done to the layers by the places of their nodes."""
    place = {name: at for at, node in enumerate(proto.graph.node) for name in node.output}
    found = [(place[nodes[layer.id].output[0]], False, layer) for layer in layers if gram_fits(layer)]
    found += [(place[ends[layer.id]], True, layer) for layer in layers if layer.bias]
    return [(layer, corrects) for _, corrects, layer in sorted(found, key=lambda event: event[:2])]


def _source_at(layer: Layer) -> int:
    """Give which input of a layer its weights are multiplied with."""
    return 1 - list(layer.node.input[:2]).index(layer.use.name)


def _mean(layer: Layer, frames: Sequence[Mapping[str, Array]], name: str) -> Array:
    """Give the mean of each output channel over all frames."""
    return numpy.asarray(numpy.mean([_channel_mean(layer, frame[name]) for frame in frames], axis=0))


def _channel_mean(layer: Layer, values: Array) -> Array:
    at = _channel_axis(layer, values)
    others = tuple(axis for axis in range(values.ndim) if axis != at)
    return numpy.asarray(values.mean(axis=others, dtype=numpy.float64))


def _along_channels(layer: Layer, correction: Array, values: Array) -> Array:
    shape = [-1 if axis == _channel_axis(layer, values) else 1 for axis in range(values.ndim)]
    return numpy.asarray(correction.reshape(shape), numpy.float32)


def _channel_axis(layer: Layer, values: Array) -> int:
    return 1 if layer.node.op_type.startswith("Conv") else values.ndim - 1
