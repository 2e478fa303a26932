"""The options of the memory plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class MemoryParams:
    """How memory is planned.

    `alignment_bytes`: every block starts at a multiple of it and takes a multiple of it, a power of two; 0
    means the chip profile's. `in_place`: an elementwise operator may write over an input that nobody needs
    any more. `concat_views`: the inputs of a Concat on the outermost axis may be written straight into its
    output. `slice_views`: parts that a Slice or Split cuts off along the outermost axis may be read where
    they lie. `search_nodes`: how far to search for a smaller arena where the greedy rules miss the lower
    bound, counted in nodes of the search, so that the same inputs give the same plan; 0 means not at all.

    `keep`: tensors (patterns such as `/head/*`) that hold their value to the end of the frame.
    `hold_outputs`: outputs (patterns) that the application reads later, with the number of frames that each
    has memory for: with 2 it may read one while the next is written. `history`: how many frames of a state's
    output stay readable. `overwrite`: a result and the input that it is written over, for operators that do
    so on this chip. `upper_bounds`: the largest shape of a tensor whose size depends on data.
    `parallel_nodes`: nodes that don't wait for each other may run at once, as on several cores or streams.
    `order`: "lowest" runs the nodes of a segment in another order than the file's where that makes its arena
    smaller, "given" never does. `arena_bytes`: how large an arena may get; 0 means any size.
    `banks`: choose what lies in the chip's own memory, tensor by tensor, where the profile gives its size.
    `bank_steps`: how often placing something there is tried, so that the same inputs give the same plan.
    """

    alignment_bytes: int = 0
    in_place: bool = True
    concat_views: bool = True
    slice_views: bool = True
    search_nodes: int = 8000
    keep: tuple[str, ...] = ()
    hold_outputs: dict[str, int] = field(default_factory=dict)
    history: dict[str, int] = field(default_factory=dict)
    overwrite: dict[str, str] = field(default_factory=dict)
    upper_bounds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parallel_nodes: bool = False
    arena_bytes: int = 0
    order: Literal["lowest", "given"] = "lowest"
    banks: bool = True
    bank_steps: int = 4000
