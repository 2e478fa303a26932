"""What a proof is run on: the first frames of the user's clips, or seeded random values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.model import StatePair
from deploykit.core.dtypes import is_float, numpy_dtype
from deploykit.tasks.protocol import Array, Clip


def first_frames(clips: Iterable[Clip], count: int) -> tuple[Clip, ...]:
    """Give clips with `count` frames in all, in order; the last one is cut short."""
    kept: list[Clip] = []
    for clip in clips:
        left = count - sum(len(taken.frames) for taken in kept)
        if left <= 0:
            break
        kept.append(Clip(clip.name, tuple(itertools.islice(clip.frames, left))))
    return tuple(kept)


def random_clips(
    graph: GraphInfo, state: Sequence[StatePair], frames: int, *, seed: int, free_size: int
) -> tuple[Clip, ...]:
    """Make one clip of seeded random data for a graph's inputs; free sizes become `free_size`."""
    generator = numpy.random.default_rng(seed)
    fed = {pair.input for pair in state}
    tensors = [graph.tensor[name] for name in graph.inputs if name not in fed]
    made = (
        {tensor.name: random_tensor(tensor, generator, free_size) for tensor in tensors}
        for _ in range(frames)
    )
    return (Clip("random", tuple(made)),)


def with_random(clips: Sequence[Clip], tensors: Sequence[TensorInfo], seed: int) -> tuple[Clip, ...]:
    """Add seeded random values of some tensors to every frame."""
    generator = numpy.random.default_rng(seed)
    return tuple(
        Clip(
            clip.name,
            tuple(
                {**frame, **{tensor.name: random_tensor(tensor, generator, 1) for tensor in tensors}}
                for frame in clip.frames
            ),
        )
        for clip in clips
    )


def random_tensor(tensor: TensorInfo, generator: numpy.random.Generator, free_size: int) -> Array:
    """Give random values of a tensor's type: normal floats, integers of 0 to 3, coins for bools."""
    shape = sized(tensor, free_size)
    dtype: numpy.dtype[Any] = numpy_dtype(tensor.dtype if tensor.dtype != "undefined" else "float")
    if is_float(tensor.dtype) or tensor.dtype in ("undefined", "complex64", "complex128"):
        return numpy.asarray(generator.standard_normal(shape)).astype(dtype)
    if tensor.dtype == "bool":
        return numpy.asarray(generator.integers(0, 2, shape)).astype(dtype)
    if tensor.dtype == "string":
        return numpy.full(shape, "a", dtype=object)
    return numpy.asarray(generator.integers(0, 2 if tensor.dtype.endswith("int2") else 4, shape)).astype(
        dtype
    )


def sized(tensor: TensorInfo, free_size: int) -> tuple[int, ...]:
    """Give a tensor's shape with `free_size` for every size that is no number."""
    return tuple(size if isinstance(size, int) else free_size for size in tensor.shape or ())


def zero_state(graph: GraphInfo, state: Sequence[StatePair], free_size: int) -> dict[str, Array]:
    """Give the first state: zeros."""
    tensors = (graph.tensor[pair.input] for pair in state)
    return {
        tensor.name: numpy.zeros(sized(tensor, free_size), numpy_dtype(tensor.dtype)) for tensor in tensors
    }
