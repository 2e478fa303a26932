"""Our figures beside a vendor's compiler's."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.reports.views.nouns.memory import Rectangle


@dataclass(frozen=True)
class CheckedLayer:
    """A layer as a vendor's compiler has it, with the nodes of ours that it computes.

    `nodes` are their ids, `ops` their operators. `ratio` is our time over theirs; `reason` says which term
    differs where one is more than twice the other.
    """

    tensor: str
    nodes: tuple[str, ...]
    ops: tuple[str, ...]
    theirs_ops: tuple[str, ...]
    ours_s: float
    theirs_s: float | None
    theirs_cycles: int | None
    ours_bytes: int
    theirs_bytes: int | None
    ratio: float | None
    reason: str


@dataclass(frozen=True)
class CheckedSegment:
    """One compiled segment beside our figures of it. `rectangles` are the compiler's buffers by memory;
    `uncompared` are nodes of ours with a time that no layer of theirs names."""

    segment: str
    layers: tuple[CheckedLayer, ...]
    ours_s: float
    theirs_s: float | None
    theirs_cycles: int | None
    ours_bytes: int
    theirs_bytes: int | None
    ours_weight_bytes: int
    theirs_weight_bytes: int | None
    ours_arena_bytes: int | None
    theirs_arena_bytes: int | None
    theirs_sram_bytes: int | None
    fallback: tuple[str, ...]
    uncompared: tuple[str, ...]
    rectangles: tuple[tuple[str, tuple[Rectangle, ...]], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class CrossCheckView:
    """Our predictions beside a vendor's compiler's. `correlation` is Spearman's over the `compared` layers of
    all segments; `host` are the segments that were not compiled, with the reason."""

    toolchain: str
    version: str
    chip: str
    predicted_for: str
    segments: tuple[CheckedSegment, ...]
    correlation: float | None
    compared: int
    ours_s: float
    theirs_s: float | None
    host: tuple[tuple[str, str], ...]
