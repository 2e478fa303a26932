"""Tensors of real runs, and how two such sets differ."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.core.blob import Blob


@dataclass(frozen=True)
class DumpedTensor:
    """One tensor over all frames of one clip set: a C-ordered `.npy` of shape (frames, *shape), float32 or
    the tensor's own type. `name` is the network's own name of it, the same in the float and the quantized
    run. `node` is "" for what enters the network. `inputs` are the activations that the node reads."""

    name: str
    node: str
    segment: str
    shape: tuple[int, ...]
    dtype: str
    file: Blob
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class DumpSet:
    """Dumps of one network in execution order. `clips` gives each clip's frame count, in order; `left_out`
    names the tensors that exist but were not dumped (excluded by pattern, or no tensor of one shape in
    every frame). `state` holds (output, input) pairs: what a frame writes and the next one reads. `golden` is
    a vendor's own float run of the same tensors, each segment fed with what its simulator gave before."""

    network: str
    label: str
    clips: tuple[tuple[str, int], ...]
    tensors: tuple[DumpedTensor, ...]
    left_out: tuple[str, ...] = ()
    state: tuple[tuple[str, str], ...] = ()
    golden: tuple[DumpedTensor, ...] = ()


@dataclass(frozen=True)
class TensorDifference:
    """Measures of one tensor over all frames, accumulated in float64.

    cosine in [-1, 1]; relative_l2 = |b - a| / |a|; sqnr_db = 20 log10(|a| / |b - a|), infinite where equal;
    max_abs with its flat index in (frames, *shape). NaN where a side is all zero and the measure undefined.
    `nan_count` counts the places where either side is NaN or infinite; they are left out of the other
    measures. `reason` says which tolerance a tensor that did not pass exceeds.
    """

    name: str
    node: str
    segment: str
    cosine: float
    relative_l2: float
    sqnr_db: float
    max_abs: float
    max_abs_index: int
    nan_count: int
    passed: bool
    sqnr_db_by_frame: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class HeatMap:
    """A small picture of where a tensor differs: mean |difference| over channels and frames, `rows` x
    `columns`."""

    tensor: str
    rows: int
    columns: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Two dump sets side by side. `missing` and `extra` are never silent; `first_divergence` names the tensor
    whose error jumps first, with the reason."""

    network: str
    reference: str
    other: str
    tensors: tuple[TensorDifference, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    first_divergence: str | None
    divergence_reason: str
    heat_maps: tuple[HeatMap, ...]
