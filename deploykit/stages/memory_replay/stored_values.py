"""Values as a memory plan stores them: the same numbers in fewer bits, as bytes and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.core.dtypes import bits, is_float, numpy_dtype

Array: TypeAlias = NDArray[Any]

_NAMES = """
    Concat DepthToSpace Expand Flatten Gather Identity Pad Reshape Slice SpaceToDepth Split Squeeze Tile
    Transpose Unsqueeze
"""
_MOVES = frozenset(_NAMES.split())
"""Operators that only move values: their results have the scale of what they move."""


@dataclass(frozen=True)
class StorageForm:
    """How one tensor is stored: type `dtype`, `own` in the network; codes times `scale` where it is made of
    whole numbers and the network's is not."""

    own: str
    dtype: str
    scale: float = 1.0

    def encode(self, value: Array) -> bytes:
        """Give a tensor's bytes in memory, row-major; types below a byte are packed, the first value low."""
        if self.dtype == self.own:
            return _pack(numpy.ascontiguousarray(value), self.dtype)
        if is_float(self.dtype):
            with numpy.errstate(over="ignore"):  # what is too large is infinite on the chip as well
                return numpy.ascontiguousarray(value, numpy_dtype(self.dtype)).tobytes()
        low, high = code_range(self.dtype)
        finite = numpy.nan_to_num(value.astype(numpy.float64), nan=0.0)
        codes = numpy.clip(numpy.rint(finite / self.scale), low, high)
        return _pack(codes.astype(numpy_dtype(self.dtype)), self.dtype)

    def decode(self, content: bytes, shape: tuple[int, ...]) -> Array:
        """Give the values that readers see, in the network's own type."""
        count = int(numpy.prod(shape, dtype=numpy.int64))
        codes = _unpack(content, self.dtype, count).reshape(shape)
        if self.dtype == self.own:
            return codes
        if is_float(self.dtype):
            return codes.astype(numpy_dtype(self.own))
        return numpy.asarray(codes.astype(numpy.float64) * self.scale, numpy_dtype(self.own))


def storage_forms(
    partition: Partition, stored: Mapping[str, Stored], largest: Mapping[str, float]
) -> dict[str, StorageForm]:
    """Give each placed tensor's form. `largest` is the largest magnitude that each has in some frame.

    Tensors that only move values share a scale, and so do the two ends of a state.
    """
    groups = _Groups()
    for segment in partition.segments:
        for node in segment.graph.nodes:
            groups.join(_moved(node))
    for pair in partition.state:
        groups.join((pair.output, pair.input))
    top: dict[str, float] = {}
    for name, value in largest.items():
        top[groups.of(name)] = max(top.get(groups.of(name), 0.0), value)
    found = {}
    for name, form in stored.items():
        own = partition.tensor[name].dtype if name in partition.tensor else form.dtype
        whole = not is_float(form.dtype) and form.dtype != own
        high = code_range(form.dtype)[1] if whole else 1
        scale = top.get(groups.of(name), 0.0) / high if whole else 1.0
        found[name] = StorageForm(own, form.dtype, scale or 1.0)
    return found


def code_range(dtype: str) -> tuple[int, int]:
    """Give the lowest and the highest code of a whole type, both included."""
    width = bits(dtype)
    return (0, (1 << width) - 1) if dtype.startswith("u") else (-(1 << width - 1), (1 << width - 1) - 1)


def _moved(node: NodeInfo) -> tuple[str, ...]:
    if node.op not in _MOVES or node.domain not in ("", "ai.onnx"):
        return ()
    inputs = node.inputs if node.op == "Concat" else node.inputs[:1]
    return tuple(filter(None, (*inputs, *node.outputs)))


class _Groups:
    """Sets of names that grow together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Give the one name that stands for a name's set."""
        while self._parent.get(name, name) != name:
            name = self._parent[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Make one set of the sets of these names."""
        roots = sorted({self.of(name) for name in names})
        for root in roots:
            self._parent[root] = roots[0]


def _pack(values: Array, dtype: str) -> bytes:
    width = bits(dtype)
    if width >= 8:
        return values.tobytes()
    codes = values.astype(numpy.int16).reshape(-1) & ((1 << width) - 1)
    each = 8 // width
    codes = numpy.pad(codes, (0, -len(codes) % each)).reshape(-1, each)
    packed = sum(codes[:, place] << (width * place) for place in range(each))
    return numpy.asarray(packed, numpy.uint8).tobytes()


def _unpack(content: bytes, dtype: str, count: int) -> Array:
    width = bits(dtype)
    if width >= 8:
        return numpy.frombuffer(content, numpy_dtype(dtype), count)
    packed = numpy.frombuffer(content, numpy.uint8).astype(numpy.int16)
    codes = numpy.stack([packed >> (width * place) & ((1 << width) - 1) for place in range(8 // width)], 1)
    codes = codes.reshape(-1)[:count]
    if not dtype.startswith("u"):
        codes = numpy.where(codes >= 1 << width - 1, codes - (1 << width), codes)
    return codes.astype(numpy_dtype(dtype))
