"""Bring the segments' graphs into the form that the quantizer works on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto

from deploykit.artifacts.model import Partition, Segment
from deploykit.core.errors import input_error
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.store import Reader

LOWEST_OPSET = 13
"""The first opset in which DequantizeLinear has an axis."""

TARGET_OPSET = 17
"""What older segments are raised to."""

INLINE_LIMIT_BYTES = 1 << 30


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

    def array(self, name: str) -> NDArray[Any]:
        """Give an initializer's values."""
        return self.model.array(self.weights[name])


def prepare(partition: Partition, reader: Reader) -> tuple[PreparedSegment, ...]:
    """Load all segments, raised to an opset with per-channel scales where theirs is older."""
    floats = frozenset(
        name for name, info in partition.tensor.items() if info.dtype == "float" and not info.is_weight
    )
    return tuple(_prepare(segment, reader, floats) for segment in partition.segments)


def _prepare(segment: Segment, reader: Reader, floats: Collection[str]) -> PreparedSegment:
    model = load_model(reader.folder(segment.files) / segment.files[0].name)
    if model.opset < LOWEST_OPSET:
        model = _raised(model, segment.name)
    return PreparedSegment(segment, normalise(model), frozenset(floats))


def _raised(model: OnnxModel, segment: str) -> OnnxModel:
    """Convert to `TARGET_OPSET`: operators are rewritten, values stay."""
    import onnx.version_converter

    where = f"segment {segment!r}"
    proto = model.inlined(INLINE_LIMIT_BYTES)
    if proto is None:
        raise input_error(
            where, f"opset {model.opset} is too old to quantize, and it is too large to raise here"
        )
    try:
        raised: ModelProto = onnx.version_converter.convert_version(proto, TARGET_OPSET)
    except Exception as error:  # the converter raises whatever its C++ side throws
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        fix = f"export the model with opset {TARGET_OPSET} or newer"
        raise input_error(
            where, f"opset {model.opset} cannot be raised to {TARGET_OPSET}: {reason}", fix
        ) from error
    return OnnxModel(raised, model.name, {}, model.notices)
