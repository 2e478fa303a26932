"""A network as one ONNX file, and the pieces that a partition cuts it into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.core.blob import Blob


@dataclass(frozen=True)
class Equality:
    """How close a changed network is to its source on the same inputs, in onnxruntime without optimisation.

    `max_abs` is the largest difference over all outputs and runs, `where` its output and flat index.
    """

    runs: int
    bit_equal: bool
    max_abs: float
    where: str


@dataclass(frozen=True)
class StatePair:
    """A tensor that leaves the network (`output`) and enters it again in the next frame (`input`)."""

    output: str
    input: str


@dataclass(frozen=True)
class Model:
    """A normalised network: shapes bound, simplified, equal to its source.

    `files[0]` is the ONNX file; the others are its external data. `notices` are sentences for the user.
    """

    network: str
    files: tuple[Blob, ...]
    graph: GraphInfo
    state: tuple[StatePair, ...]
    equality: Equality | None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """A piece of a network that runs on one engine as one unit.

    `files[0]` is its ONNX file; further files are external data that lie beside it. Tensor names are those of
    the whole network: an output of one segment and an input of another with the same name are the same
    tensor. `engine` is the kind that it is meant for ("npu", "cpu", "gpu" ...), `reason` the sentence that
    says why.
    """

    name: str
    files: tuple[Blob, ...]
    graph: GraphInfo
    engine: str
    reason: str


@dataclass(frozen=True)
class SharedWeight:
    """An initializer that several segments need; its bytes are stored once."""

    name: str
    size_bytes: int
    segments: tuple[str, ...]


@dataclass(frozen=True)
class ChannelFactors:
    """Tensors `t` of which a quantized network has `t::equalised` instead: `t` times a factor a channel.

    The channels lie along `axis`; the factors are the array `key` of `Partition.factors`.
    """

    tensors: tuple[str, ...]
    axis: int
    key: str


@dataclass(frozen=True)
class Partition:
    """A network as a chain of segments in execution order, equal to the whole.

    `inputs` and `outputs` are the whole network's, in its own order; state tensors are among them. `factors`
    is the npz file with the arrays of `equalised`.
    """

    network: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    segments: tuple[Segment, ...]
    state: tuple[StatePair, ...]
    equality: Equality | None
    shared_weights: tuple[SharedWeight, ...] = ()
    notices: tuple[str, ...] = ()
    equalised: tuple[ChannelFactors, ...] = ()
    factors: Blob | None = None

    @cached_property
    def tensor(self) -> dict[str, TensorInfo]:
        """All tensors of all segments by name (a crossing tensor's entry is its producer's)."""
        found: dict[str, TensorInfo] = {}
        for segment in self.segments:
            for tensor in segment.graph.tensors:
                found.setdefault(tensor.name, tensor)
        return found

    @cached_property
    def crossing(self) -> tuple[str, ...]:
        """Tensors that one segment writes and a later one reads."""
        read = {name for segment in self.segments for name in segment.graph.inputs}
        written = (name for segment in self.segments for name in segment.graph.outputs)
        return tuple(dict.fromkeys(name for name in written if name in read))
