"""Look inside a partition: the same segments with inner tensors as further outputs."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import EQUALISED
from deploykit.core.blob import Blob
from deploykit.core.runtime import Array
from deploykit.core.store import Reader


@dataclasses.dataclass(frozen=True)
class TappedFiles:
    """Reads the tapped segments' files, and all others through `reader`."""

    reader: Reader
    folders: dict[tuple[Blob, ...], Path]

    def path(self, blob: Blob) -> Path:
        """Give a file with this content."""
        return self.reader.path(blob)

    def folder(self, blobs: Sequence[Blob]) -> Path:
        """Give the folder of a tapped segment, or one in which these blobs lie side by side."""
        return self.folders.get(tuple(blobs)) or self.reader.folder(blobs)


def tapped(
    partition: Partition, reader: Reader, tensors: Collection[str], folder: Path
) -> tuple[Partition, TappedFiles]:
    """Give a partition that also has `tensors` among its outputs, and the reader of its files.

    Only tensors that some node of a segment writes can be tapped, and those that stand there with factors,
    which are taken out again; others are ignored. The files lie below `folder`.
    """
    factors = _factors(partition, reader)
    folders: dict[tuple[Blob, ...], Path] = {}
    segments = []
    for index, segment in enumerate(partition.segments):
        written = [name for node in segment.graph.nodes for name in node.outputs]
        made = [name for name in map(_plain_name, written) if name in tensors]
        extra = tuple(name for name in dict.fromkeys(made) if name not in segment.graph.outputs)
        if extra:
            target = folder / str(index)
            _write(segment, reader, extra, factors, target)
            folders[segment.files] = target
        graph = dataclasses.replace(segment.graph, outputs=(*segment.graph.outputs, *extra))
        segments.append(dataclasses.replace(segment, graph=graph))
    given = {name for segment in segments for name in segment.graph.outputs}
    outputs = dict.fromkeys((*partition.outputs, *(name for name in tensors if name in given)))
    changed = dataclasses.replace(partition, segments=tuple(segments), outputs=tuple(outputs))
    return changed, TappedFiles(reader, folders)


def write_tapped(model: Path, tensors: Sequence[str], folder: Path) -> Path:
    """Write an ONNX file with those of `tensors` that it makes as further outputs; gives the new file.

    Whatever lies beside the file (external data) is linked beside the new one.
    """
    folder.mkdir(parents=True)
    for file in model.parent.iterdir():
        if file != model and file.is_file():
            _link(file, folder / file.name)
    proto = ModelProto.FromString(model.read_bytes())
    present = {value.name for value in proto.graph.output}
    made = {name for node in proto.graph.node for name in node.output}
    _add_outputs(proto, [name for name in tensors if name in made and name not in present])
    (folder / model.name).write_bytes(proto.SerializeToString())
    return folder / model.name


def _plain_name(name: str) -> str:
    """Give the name that a tensor with factors has in the float network."""
    return name.removesuffix(EQUALISED)


def _factors(partition: Partition, reader: Reader) -> dict[str, Array]:
    """Give by tensor the factors of its channels, in a shape that fits its own."""
    found: dict[str, Array] = {}
    if partition.factors is None:
        return found
    with numpy.load(reader.path(partition.factors)) as arrays:
        for site in partition.equalised:
            # channels last: as they are; else along axis 1 of [N, C, ...]
            for name in site.tensors:
                shape = partition.tensor[name + EQUALISED].shape or ()
                behind = 0 if site.axis == -1 else len(shape) - 1 - site.axis
                found[name] = arrays[site.key].reshape(-1, *[1] * behind)
    return found


def _write(
    segment: Segment, reader: Reader, extra: Sequence[str], factors: Mapping[str, Array], target: Path
) -> None:
    """Write the ONNX file with more outputs; external data is linked beside it."""
    source = reader.folder(segment.files)
    target.mkdir(parents=True)
    for blob in segment.files[1:]:
        _link(source / blob.name, target / blob.name)
    proto = ModelProto.FromString((source / segment.files[0].name).read_bytes())
    made = {name for node in proto.graph.node for name in node.output}
    for name in extra:
        if name not in made:
            divisor = f"{name}::factors"
            proto.graph.initializer.append(numpy_helper.from_array(factors[name], divisor))
            proto.graph.node.append(
                helper.make_node("Div", [name + EQUALISED, divisor], [name], name=divisor)
            )
    _add_outputs(proto, extra)
    (target / segment.files[0].name).write_bytes(proto.SerializeToString())


def _add_outputs(proto: ModelProto, extra: Sequence[str]) -> None:
    known = {value.name: value for value in proto.graph.value_info}
    proto.graph.output.extend(known.get(name) or ValueInfoProto(name=name) for name in extra)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
