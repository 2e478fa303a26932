"""Make up for what rounding does to the mean of each layer's outputs, layer after layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from deploykit.analysis.affine import Array
from deploykit.artifacts.model import Partition
from deploykit.core.graph.index import node_reads
from deploykit.core.graph.model import OnnxModel
from deploykit.core.runtime import open_session, run_session
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.layers import Layer
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork, zeros
from deploykit.toolchains.taps import tapped

FRAMES = 32
"""How many frames are held at most, spread over the calibration data."""

HELD_BYTES = 1 << 30
"""What their tensors take at most."""

INLINE_BYTES = 1 << 30


@dataclass
class HeldFrames:
    """Frames with the float network's states, and its mean output of each layer by channel."""

    frames: list[dict[str, Array]]
    means: dict[str, Array]


def hold_frames(
    partition: Partition,
    layers: Sequence[Layer],
    clips: Iterable[Clip],
    *,
    count: int,
    workspace: Workspace,
) -> HeldFrames:
    """Run the float network over the clips' `count` frames and keep a few of them."""
    step, seen = -(-count // _most_frames(partition)), 0
    held = HeldFrames([], {})
    outputs = {layer.id: layer.bias[0].output[0] for layer in layers if layer.bias is not None}
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, list(outputs.values()), folder)
        network = ReferenceNetwork(inside, files, exact=True)
        for clip in workspace.track(clips, "taking the layers' means"):
            network.reset()
            state = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
            for frame in clip.frames:
                values = network(frame)
                if seen % step == 0:
                    held.frames.append({**frame, **state})
                    for layer in layers:
                        if layer.id in outputs:
                            mean = _channel_mean(layer, values[outputs[layer.id]])
                            held.means[layer.id] = held.means.get(layer.id, 0.0) + mean
                state = {pair.input: values[pair.output] for pair in partition.state}
                seen += 1
    held.means = {name: total / len(held.frames) for name, total in held.means.items()}
    return held


def _most_frames(partition: Partition) -> int:
    """Give how many frames fit the limit, if eight tensors of the largest size are held of each."""
    sizes = [info.shape for info in partition.tensor.values() if info.shape and not info.is_weight]
    counts = [math.prod(size for size in shape if isinstance(size, int)) for shape in sizes]
    return max(1, min(FRAMES, HELD_BYTES // (8 * 4 * max(counts, default=1))))


def bias_corrections(
    models: Sequence[OnnxModel], layers: Sequence[Layer], held: HeldFrames
) -> dict[str, Array]:
    """Give by node what its bias grows by, one number for each output channel.

    The float network's mean output minus that of the quantized one whose earlier layers are corrected
    already. Quantized segments run piece by piece, each up to the next layer, so that every node runs once;
    a layer's output moves by its correction before the next piece reads it. Nagel et al. 2019, "Data-free
    quantization through weight equalization and bias correction", arXiv 1906.04721, section 4.2, empirical.
    """
    found: dict[str, Array] = {}
    values = [dict(frame) for frame in held.frames]
    for index, model in enumerate(models):
        later = {value.name for other in models[index + 1 :] for value in other.proto.graph.input}
        for layer, output, outputs in _run_pieces(model, layers, values, later):
            if layer is not None:
                mean = numpy.mean([_channel_mean(layer, frame[output]) for frame in outputs], axis=0)
                found[layer.id] = held.means[layer.id] - mean
                for frame in outputs:
                    frame[output] = frame[output] + _along_channels(layer, found[layer.id], frame[output])
    return found


def _run_pieces(
    model: OnnxModel, layers: Sequence[Layer], values: list[dict[str, Array]], later: set[str]
) -> Iterator[tuple[Layer | None, str, list[dict[str, Array]]]]:
    """Run a segment over all frames, piece by piece; stop after each layer, with its output's name."""
    proto = model.inlined(INLINE_BYTES)
    if proto is None:
        return
    made = {name for node in proto.graph.node for name in node.output}
    ends = {}
    for layer in layers:
        name = layer.bias[0].output[0] if layer.bias else ""
        ends[f"{name}::float" if f"{name}::float" in made else name] = layer
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    left = _needed_later(proto.graph.node, {*later, *(value.name for value in proto.graph.output)})
    piece: list[NodeProto] = []
    for at, node in enumerate(proto.graph.node):
        piece.append(node)
        name = node.output[0]
        if name not in ends and at + 1 < len(proto.graph.node):
            continue
        _run_piece(proto, piece, weights, left[at], values)
        yield ends.get(name), name, values
        piece = []


def _run_piece(
    proto: ModelProto,
    nodes: Sequence[NodeProto],
    weights: Mapping[str, TensorProto],
    needed: frozenset[str],
    values: list[dict[str, Array]],
) -> None:
    """Run some nodes over all frames; afterwards these hold what is read later and nothing else."""
    made = dict.fromkeys(name for node in nodes for name in node.output if name)
    read = dict.fromkeys(name for node in nodes for name in node_reads(node) if name not in made)
    fed = [name for name in read if name not in weights]
    kept = [name for name in made if name in needed]
    graph = helper.make_graph(
        list(nodes),
        "piece",
        [_value_info(name, values[0][name]) for name in fed],
        [ValueInfoProto(name=name) for name in kept],
        [weights[name] for name in read if name in weights],
    )
    model = helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    session = open_session(model.SerializeToString(), name="a piece of the quantized network")
    for frame in values:
        results = run_session(session, {name: frame[name] for name in fed}, kept)
        frame.update(zip(kept, results, strict=True))
        for name in set(frame) - needed:
            del frame[name]


def _needed_later(nodes: Sequence[NodeProto], outputs: set[str]) -> list[frozenset[str]]:
    """Give for each node what is read after it."""
    needed, found = set(outputs), []
    for node in reversed(nodes):
        found.append(frozenset({*needed, *node.output}))
        needed = needed.difference(node.output) | set(node_reads(node))
    return found[::-1]


def _value_info(name: str, values: Array) -> ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(values.dtype)
    return helper.make_tensor_value_info(name, dtype, [None] * values.ndim)


def _channel_mean(layer: Layer, values: Array) -> Array:
    at = _channel_axis(layer, values)
    others = tuple(axis for axis in range(values.ndim) if axis != at)
    return numpy.asarray(values.mean(axis=others, dtype=numpy.float64))


def _along_channels(layer: Layer, correction: Array, values: Array) -> Array:
    shape = [-1 if axis == _channel_axis(layer, values) else 1 for axis in range(values.ndim)]
    return numpy.asarray(correction.reshape(shape), numpy.float32)


def _channel_axis(layer: Layer, values: Array) -> int:
    return 1 if layer.node.op_type.startswith("Conv") else values.ndim - 1
