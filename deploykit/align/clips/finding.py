"""What a look at whole clips found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploykit.align.clips.track import Track


@dataclass(frozen=True)
class ClipFinding:
    """One fault over time, at the first tensor that shows it; `also` counts the others.

    `kind` is a key of `KINDS`. `frames` are the numbers of the frames where it shows (the first of them where
    it lasts). `confidence` in [0, 1] is the share of the frames that could tell and do.
    """

    kind: str
    tensor: str
    explanation: str
    frames: tuple[int, ...] = ()
    confidence: float = 1.0
    evidence: Mapping[str, float] = field(default_factory=dict)
    also: int = 0


KINDS = (
    "lag",
    "ahead",
    "dropped",
    "repeated",
    "stale",
    "frozen",
    "clip_order",
    "frame_order",
    "state_not_reset",
    "state_never_updated",
    "state_late",
    "state_differs",
    "drift",
    "one_off",
    "step",
    "cannot_tell",
)


def frame_text(track: Track, row: int) -> str:
    """Name a frame, with its clip where there are several."""
    number = track.numbers[row]
    if len(track.starts) == 1:
        return f"frame {number}"
    clip = track.clip_of(row)
    return f"frame {number} (frame {row - track.starts[clip]} of clip {clip})"
