"""Compilers want sizes that are known before they run."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.artifacts.model import Segment
from deploykit.core.errors import Fault


def shape_faults(segment: Segment, toolchain: str) -> Iterator[Fault]:
    """Name the inputs of a segment whose shapes have free sizes."""
    for name in segment.graph.inputs:
        shape = segment.graph.tensor[name].shape
        if shape is None or not all(isinstance(size, int) for size in shape):
            shown = "unknown" if shape is None else list(shape)
            fix = f"{toolchain} needs static shapes: bind the sizes under `export.shapes`"
            yield Fault(f"segment {segment.name!r}", f"the shape of input {name!r} is {shown}", fix)
