"""How each activation of a network lies in memory under a precision plan."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deploykit.artifacts.graph import TensorInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.dtypes import ELEMENT_TYPES, bits, size_bytes


@dataclass(frozen=True)
class Stored:
    """How a tensor lies in memory: element type and full shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Its bytes; types below a byte are packed."""
        return size_bytes(self.dtype, math.prod(self.shape))


def stored_tensors(partition: Partition, plan: PrecisionPlan) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """Give how each activation is stored, and the names of those whose size nobody knows."""
    dtypes = {item.tensor: item.dtype for item in plan.tensors}
    stored: dict[str, Stored] = {}
    unsized: list[str] = []
    for segment in partition.segments:
        graph = segment.graph
        for name in (*graph.inputs, *(name for node in graph.nodes for name in node.outputs if name)):
            info = graph.tensor.get(name)
            form = info and stored_form(info, dtypes.get(name, info.dtype))
            if form:
                stored[name] = form
            else:
                unsized.append(name)
    return stored, tuple(dict.fromkeys(unsized))


def stored_form(info: TensorInfo, dtype: str) -> Stored | None:
    """Give how a tensor of this type lies in memory, at its largest; None where nobody knows its size."""
    shape = info.upper_bound if info.upper_bound is not None else info.shape
    if dtype not in ELEMENT_TYPES or not bits(dtype) or shape is None:
        return None
    dims = tuple(dim for dim in shape if isinstance(dim, int))
    return Stored(dtype, dims) if len(dims) == len(shape) else None
