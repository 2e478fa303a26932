"""What a model file and a data folder tell about the first pipeline for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

IMAGE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))
ARRAY_SUFFIXES = frozenset((".npy", ".npz"))
IMAGE_SIDE, SEQUENCE_LENGTH = 224, 128


@dataclass(frozen=True)
class StarterInput:
    """An input of the model: `dims` as the file has them, `shape` as the pipeline binds them."""

    name: str
    dtype: str
    dims: tuple[int | str, ...]
    shape: tuple[int, ...]

    @property
    def layout(self) -> str:
        """The layout of an image, or "flat"."""
        if self.dtype not in ("float", "float16", "uint8") or len(self.shape) != 4:
            return "flat"
        return "NCHW" if self.shape[1] in (1, 3) else "NHWC" if self.shape[3] in (1, 3) else "flat"

    @property
    def is_guessed(self) -> bool:
        """True where the file leaves a size free."""
        return any(isinstance(dim, str) for dim in self.dims)


@dataclass(frozen=True)
class Starter:
    """What a starting pipeline is made of. `state` are (output, input) pairs that look like state."""

    name: str
    source: str
    chip: str
    inputs: tuple[StarterInput, ...]
    state: tuple[tuple[str, str], ...]
    data: str
    data_kind: str


def read_starter(
    model: Path, chip: str, pipeline: Path, *, shapes: Mapping[str, tuple[int, ...]], data: Path | None
) -> Starter:
    """Read what a pipeline needs from a model file; paths become relative to the pipeline's folder.

    Raises:
        InputError: the model cannot be read; `shapes` names no input or contradicts one; no data is found.
    """
    from deploykit.core.graph.model import load_model
    from deploykit.core.graph.normalise import normalise

    graph = normalise(load_model(model)).proto.graph
    inputs = tuple(_input(value, shapes) for value in graph.input)
    faults = [*_shape_faults(inputs, shapes)]
    if faults:
        raise InputError(*faults)
    folder = pipeline.absolute().parent
    return Starter(
        name=re.sub(r"[^A-Za-z0-9_-]+", "_", model.stem) or "model",
        source=os.path.relpath(model.absolute(), folder),
        chip=chip,
        inputs=inputs,
        state=tuple(_state_pairs(graph, inputs)),
        data=os.path.relpath(data.absolute(), folder) if data else "",
        data_kind=_data_kind(data) if data else "random",
    )


def dims_text(dims: Sequence[int | str]) -> str:
    """Write sizes as people do: 1 x 3 x H x W."""
    return " x ".join(str(dim) for dim in dims)


def _input(value: ValueInfoProto, shapes: Mapping[str, tuple[int, ...]]) -> StarterInput:
    from deploykit.core.dtypes import dtype_name

    tensor = value.type.tensor_type
    dims = tuple(dim.dim_param if dim.dim_param else dim.dim_value for dim in tensor.shape.dim)
    shape = shapes.get(value.name) or tuple(_size(dims, at) for at in range(len(dims)))
    return StarterInput(value.name, dtype_name(tensor.elem_type), dims, shape)


def _size(dims: tuple[int | str, ...], at: int) -> int:
    """Choose a free size: one in front, then an image's side or a sequence's length."""
    size = dims[at]
    if isinstance(size, int):
        return size
    if at == 0:
        return 1
    return IMAGE_SIDE if len(dims) == 4 else SEQUENCE_LENGTH


def _shape_faults(inputs: Sequence[StarterInput], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Fault]:
    known = {item.name: item for item in inputs}
    for name, shape in shapes.items():
        if name not in known:
            yield Fault(f"--shape {name}", f"the model has no such input{did_you_mean(name, known)}")
            continue
        dims = known[name].dims
        fits = len(dims) == len(shape) and all(
            isinstance(dim, str) or dim == size for dim, size in zip(dims, shape, strict=False)
        )
        if not fits:
            yield Fault(f"--shape {name}", f"{dims_text(shape)} does not fit the file's {dims_text(dims)}")


def _state_pairs(graph: GraphProto, inputs: Sequence[StarterInput]) -> Iterator[tuple[str, str]]:
    """Find pairs of equal size whose names differ by a word such as "prev", "past", "in" or "out"."""
    outputs = {_stem(value.name): value for value in graph.output}
    for item in inputs:
        output = outputs.get(_stem(item.name))
        if output is None or output.name == item.name or not _stem(item.name):
            continue
        tensor = output.type.tensor_type
        sizes = tuple(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)
        if _same_sizes(sizes, item.dims) and item.layout == "flat":
            yield output.name, item.name


def _same_sizes(one: Sequence[int | str], other: Sequence[int | str]) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(
        a == b or isinstance(a, str) or isinstance(b, str) for a, b in pairs
    )


def _stem(name: str) -> str:
    words = re.split(r"[_./\s]+|(?<=[a-z])(?=[A-Z])", name)
    filler = {"prev", "previous", "past", "last", "old", "new", "next", "present", "cur", "current"}
    filler |= {"in", "out", "input", "output", "i", "o", "t", "n"}
    return "_".join(word.lower() for word in words if word and word.lower() not in filler)


def _data_kind(folder: Path) -> str:
    try:
        suffixes = {path.suffix.lower() for path in folder.rglob("*") if path.is_file()}
    except OSError as error:
        raise InputError(Fault(str(folder), f"cannot be read: {error.strerror}")) from error
    if suffixes & ARRAY_SUFFIXES:
        return "arrays"
    if suffixes & IMAGE_SUFFIXES:
        return "images"
    what = "holds no .npy, .npz or image files" if folder.is_dir() else "there is no such folder"
    raise InputError(Fault(str(folder), what, "give a folder with frames, or leave --data out"))
