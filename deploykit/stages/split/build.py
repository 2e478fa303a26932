"""From pieces to segments: ONNX files, with weights that several need stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx import TensorProto

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Segment, SharedWeight
from deploykit.core.graph.external import ByteRange
from deploykit.core.graph.extract import extract
from deploykit.core.graph.index import GraphIndex
from deploykit.core.graph.model import SMALL_BYTES, OnnxModel, tensor_bytes
from deploykit.core.graph.save import Placed, append, save_model
from deploykit.core.store import digest_bytes
from deploykit.core.workspace import Workspace
from deploykit.stages.split.pieces import Piece

SHARED_FILE = "shared.data"


@dataclass(frozen=True)
class Shared:
    """Weights of several segments: what the partition says of them, and where they lie in the shared file."""

    weights: tuple[SharedWeight, ...]
    placed: Mapping[str, Placed]


def build_segments(
    model: OnnxModel, pieces: Sequence[Piece], workspace: Workspace, scratch: Path
) -> tuple[tuple[Segment, ...], tuple[SharedWeight, ...]]:
    """Write every piece as a model of its own, with the whole model's metadata. Raises InputError."""
    index = GraphIndex(model.proto.graph)
    models = [_extract(model, index, piece, pieces) for piece in pieces]
    shared = _share(models, scratch)
    shared_blob = workspace.keep(scratch / SHARED_FILE) if shared.placed else None
    segments = []
    for piece, part in zip(pieces, models, strict=True):
        uses_shared = any(tensor.name in shared.placed for tensor in part.proto.graph.initializer)
        graph = summarise(part)
        files = tuple(workspace.keep(file) for file in save_model(part, scratch, piece.name, shared.placed))
        if shared_blob and uses_shared:
            files += (shared_blob,)
        segments.append(Segment(piece.name, files, graph, piece.engine, piece.reason))
    return tuple(segments), shared.weights


def _extract(model: OnnxModel, index: GraphIndex, piece: Piece, pieces: Sequence[Piece]) -> OnnxModel:
    graph = model.proto.graph
    own = {name for at in piece.positions for name in graph.node[at].output if name}
    read = {name for at in piece.positions for name in index.reads[at]} - own - index.weights
    given = [value.name for value in graph.input if value.name in read]
    crossing = sorted(read - set(given), key=lambda name: index.producer[name])
    elsewhere = {
        name for other in pieces if other is not piece for at in other.positions for name in index.reads[at]
    }
    final = [value.name for value in graph.output]
    outputs = [name for name in final if name in own]
    outputs += [name for name in index.producer if name in own and name in elsewhere and name not in outputs]
    if piece is _holder(pieces):
        outputs += [name for name in final if name in index.weights]
    return extract(model, piece.positions, [*given, *crossing], outputs, piece.name)


def _holder(pieces: Sequence[Piece]) -> Piece:
    """Give the piece that holds outputs which are plain weights: the last that a runtime can load."""
    return next((piece for piece in reversed(pieces) if not piece.foreign), pieces[-1])


def _share(models: Sequence[OnnxModel], scratch: Path) -> Shared:
    """Write the weights that several segments need, by content, into one file."""
    found: dict[object, list[tuple[OnnxModel, TensorProto]]] = {}
    for model in models:
        for tensor in model.proto.graph.initializer:
            if tensor_bytes(tensor) > SMALL_BYTES and tensor.data_type != TensorProto.STRING:
                content = model.bytes_of(tensor)
                key = content if isinstance(content, ByteRange) else digest_bytes(content)
                found.setdefault(key, []).append((model, tensor))
    weights, placed = [], {}
    with (scratch / SHARED_FILE).open("w+b") as stream:
        for uses in found.values():
            segments = tuple(dict.fromkeys(model.name for model, _ in uses))
            if len(segments) < 2:
                continue
            first_model, first = uses[0]
            place = append(stream, first_model.bytes_of(first), SHARED_FILE)
            placed.update({tensor.name: place for _, tensor in uses})
            weights.append(SharedWeight(first.name, place.length, segments))
    return Shared(tuple(weights), placed)
