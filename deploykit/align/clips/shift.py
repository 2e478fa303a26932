"""One shift in a clip, found by all of its frames together where single frames do not all tell."""

from __future__ import annotations

import numpy

from deploykit.align.clips.finding import ClipFinding, frame_text
from deploykit.align.clips.track import Track
from deploykit.align.element_types import Array

MOST = 3
"""Frames that are lost or repeated at most."""

SHARE = 0.75
"""The part of the way from the own frames to the others', over all frames from the shift on."""

BETTER = 0.6
"""What the shift may leave of the squared difference."""

LEAST = 3
"""Frames from the shift on."""


def one_shift(track: Track) -> ClipFinding | None:
    """Find the frame of a clip from which on all show a later frame (some were lost) or an earlier one."""
    best: tuple[float, int, int] | None = None
    for clip in track.clips():
        inside = numpy.flatnonzero((track.own >= clip.start) & (track.own < clip.stop))
        for late in (*range(-MOST, 0), *range(1, MOST + 1)):
            for first in inside[max(late, 1) : -LEAST]:
                gain = _gain(track, inside[inside >= first], late, clip.stop - 1)
                if gain is not None and (best is None or gain > best[0]):
                    best = gain, int(track.own[first]), late
    if best is None:
        return None
    _, row, late = best
    frames = "1 frame is" if abs(late) == 1 else f"{abs(late)} frames are"
    place = frame_text(track, row)
    evidence = {"frames": abs(late)}
    if late < 0:
        text = f"{frames} lost at {place}: from there on board(t) = reference(t + {-late})"
        return ClipFinding("dropped", track.name, text, (track.numbers[row],), SHARE, evidence)
    text = f"{frames} shown again from {place} on: the board is late from there"
    return ClipFinding("repeated", track.name, text, (track.numbers[row],), SHARE, evidence)


def _gain(track: Track, at: Array, late: int, last: int) -> float | None:
    """Give how much squared difference a shift takes away; None where it does not explain these frames."""
    own = track.own[at]
    other = numpy.minimum(own - late, last)
    mine, theirs = track.distance[at, own].sum(), track.distance[at, other].sum()
    apart = track.motion[own, other].sum()
    if apart <= 0 or theirs > BETTER * min(mine, track.content[at].sum()):
        return None
    share = (mine - theirs + apart) / (2 * apart)
    return float(mine - theirs) if share >= SHARE else None
