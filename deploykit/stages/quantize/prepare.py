"""Bring the segments' graphs into the form that the quantizer works on."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan, is_integer
from deploykit.core.errors import input_error
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.opset import with_opset
from deploykit.core.store import Reader

CHANNEL_OPSET = 13
"""The first opset in which DequantizeLinear has an axis."""

TARGET_OPSET = 17
"""What segments are raised to that are older than `CHANNEL_OPSET`."""

NARROW_OPSET = 21
"""The first opset with int4, int16 and blocks in QuantizeLinear and DequantizeLinear."""


@dataclass(frozen=True)
class PreparedSegment:
    """A segment's graph in normal form, at an opset that can hold int8 weights per channel."""

    segment: Segment
    model: OnnxModel
    float_tensors: frozenset[str]

    @property
    def nodes(self) -> list[NodeProto]:
        """The graph's nodes in execution order."""
        return list(self.model.proto.graph.node)

    @cached_property
    def weights(self) -> dict[str, TensorProto]:
        """Initializers by name."""
        return {tensor.name: tensor for tensor in self.model.proto.graph.initializer}

    def is_weight(self, name: str) -> bool:
        """Say whether a name is an initializer of real numbers."""
        return name in self.weights and self.weights[name].data_type == TensorProto.FLOAT

    def is_float(self, name: str) -> bool:
        """Say whether a name is an initializer or an activation of real numbers."""
        return self.is_weight(name) or name in self.float_tensors

    def count(self, name: str) -> int:
        """Give how many values an initializer has."""
        return math.prod(self.weights[name].dims)

    def array(self, name: str) -> NDArray[Any]:
        """Give an initializer's values."""
        return self.model.array(self.weights[name])


def prepare(partition: Partition, plan: PrecisionPlan, reader: Reader) -> tuple[PreparedSegment, ...]:
    """Load all segments, raised to an opset that can hold the plan's types where theirs is older."""
    floats = frozenset(
        name for name, info in partition.tensor.items() if info.dtype == "float" and not info.is_weight
    )
    return tuple(_prepare(segment, reader, floats, _opset(plan)) for segment in partition.segments)


def _opset(plan: PrecisionPlan) -> int:
    """Give the lowest opset that has the plan's types."""
    wide = any(is_integer(node.scheme) and node.scheme != "w8a8" for node in plan.nodes)
    blocks = any(isinstance(granularity, int) for granularity in plan.granularity_of().values())
    return NARROW_OPSET if wide or blocks else CHANNEL_OPSET


def _prepare(segment: Segment, reader: Reader, floats: Collection[str], lowest: int) -> PreparedSegment:
    model = load_model(reader.folder(segment.files) / segment.files[0].name)
    if model.opset < lowest:
        model = _raised(model, segment.name, max(lowest, TARGET_OPSET))
    return PreparedSegment(segment, normalise(model), frozenset(floats))


def _raised(model: OnnxModel, segment: str, target: int) -> OnnxModel:
    """Convert to opset `target`: operators are rewritten, values stay."""
    raised = with_opset(model, target)
    if isinstance(raised, str):
        what = f"opset {model.opset} cannot be raised to {target}, which the plan's types need: {raised}"
        raise input_error(f"segment {segment!r}", what, f"export the model with opset {target} or newer")
    return raised
