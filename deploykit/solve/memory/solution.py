"""What a packing method answers."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class Packing:
    """An offset for each rectangle, in the problem's order, with what is known of the peak's quality."""

    offsets: tuple[int, ...]
    bound: SolveBound
