"""The options of the memory plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryParams:
    """How memory is planned.

    `alignment_bytes`: every block starts at a multiple of it and takes a multiple of it; 0 means the chip
    profile's. `in_place`: an elementwise operator may write over an input that nobody needs any more.
    `concat_views`: the inputs of a Concat on the outermost axis may be written straight into its output.
    `search_nodes`: how far to search for a smaller arena where the greedy rules miss the lower bound, counted
    in nodes of the search, so that the same inputs give the same plan; 0 means not at all.
    """

    alignment_bytes: int = 0
    in_place: bool = True
    concat_views: bool = True
    search_nodes: int = 8000
