"""What goes wrong with the state that one frame hands to the next.

Where a dump holds the state that each frame reads, it is looked at itself. Where it does not, a second run of
the reference, with the fault put in (`carried`: never reset; `zero`: no state), tells from the outputs; and
without one, the error's course over a clip says that the state differs, not how.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy

from deploykit.align.clips.finding import ClipFinding, frame_text
from deploykit.align.clips.track import Track
from deploykit.align.element_types import Array

NEAR = 0.25
"""A squared difference of at most this part of another one is near beside it."""

MOST = 0.8
"""The share of frames that has to show a fault of the state."""

SHARE = 0.75
"""From this part of the way to the run with the fault on, that run explains the board."""

FOLLOWED = 0.6
"""The share of frames that have to follow a run with a fault in it."""

NEAR_START = 4
"""Frames of a clip in which a state that was not reset is looked for; later it may have worn off."""

STILL = 1e-3
"""A squared difference below this part of the tensor's size says nothing."""

AT_ONCE = 0.4
"""The part of the later frames' error that a clip's second frame has where its state differs."""

FIRST = 3.0
"""How many times a clip's first frames have to be better, or worse, than the others."""

LATEST = 4
"""How many frames too old a state is looked for."""


def state_finding(read: Track, written: Track | None) -> ClipFinding | None:
    """Look at the state that the board's frames read: `read` is the input, `written` the output before it."""
    return _not_reset(read, written) or _never_updated(read) or _late(read, written)


def _not_reset(read: Track, written: Track | None) -> ClipFinding | None:
    found, told = [], 0
    for clip in read.clips()[1:]:
        at = numpy.flatnonzero(read.own == clip.start)
        if not at.size:
            continue
        start = read.board[at[0]]
        told += 1
        mine = _square(start - read.reference[clip.start])
        left = [track.reference[clip.start - 1] for track in (written,) if track is not None]
        if written is not None and at[0] > 0:
            left.append(written.board[at[0] - 1])
        left.append(read.reference[clip.start - 1])
        if any(_square(start - last) <= NEAR * mine for last in left) or (not left and mine > 0):
            found.append(clip.start)
    if not found or len(found) < MOST * told:
        return None
    text = f"the state is not reset: {frame_text(read, found[0])} begins with what the clip before has left"
    frames = tuple(read.numbers[row] for row in found)
    return ClipFinding("state_not_reset", read.name, text, frames, len(found) / told)


def _never_updated(read: Track) -> ClipFinding | None:
    same = told = 0
    for clip in read.clips():
        at = numpy.flatnonzero((read.own >= clip.start) & (read.own < clip.stop))
        for index in at[1:]:
            moved = _square(read.reference[read.own[index]] - read.reference[read.own[at[0]]])
            if moved == 0:
                continue
            told += 1
            same += _square(read.board[index] - read.board[at[0]]) <= 0.05 * moved
    if told < 3 or same < MOST * told:
        return None
    text = "the state is never updated: every frame of a clip reads what its first frame read"
    return ClipFinding("state_never_updated", read.name, text, read.numbers[1:2], same / told)


def _late(read: Track, written: Track | None) -> ClipFinding | None:
    """The board reads a state that it wrote more than one frame before."""
    if written is None or written.board.shape != read.board.shape:
        return None
    votes: list[int] = []
    for clip in read.clips():
        at = numpy.flatnonzero((read.own >= clip.start) & (read.own < clip.stop))
        for place, index in enumerate(at):
            if place < 2:
                continue
            ages = range(1, min(LATEST, place) + 1)
            apart = [_square(read.board[index] - written.board[index - age]) for age in ages]
            best = int(numpy.argmin(apart))
            if apart[best] <= NEAR * apart[0]:
                votes.append(best)
            elif apart[0] <= NEAR * min(apart[1:]):
                votes.append(0)
    old = [vote for vote in votes if vote]
    if len(votes) < 3 or len(old) < MOST * len(votes):
        return None
    age = max(set(old), key=old.count)
    frames = "1 frame" if age == 1 else f"{age} frames"
    text = f"the state is {frames} too old: each frame reads what was written {age + 1} frames before"
    return ClipFinding("state_late", read.name, text, (), len(old) / len(votes), {"frames": age})


def explained_by(track: Track, runs: Mapping[str, Track]) -> ClipFinding | None:
    """Say which other run of the reference the board follows; `runs`: kind -> the reference's track of it.

    The share is the part of the way from the reference to that run that the board has gone, over all frames.
    """
    best: tuple[float, str] | None = None
    for kind, run in runs.items():
        part = _followed(track, run, NEAR_START if kind == "state_not_reset" else len(track.numbers))
        if part >= FOLLOWED and (best is None or part > best[0]):
            best = part, kind
    if best is None:
        return None
    part, kind = best
    words = {
        "state_not_reset": "the state is not reset: the board follows the run in which it is carried on",
        "state_never_updated": "the state is never updated: the board follows the run without state",
    }
    return ClipFinding(kind, track.name, words[kind], (), part)


def _followed(track: Track, run: Track, most: int) -> float:
    """Give the part of the frames that follow another run, of those in the first `most` of each clip in which
    that run is another one."""
    place = {int(row): at for at, row in enumerate(run.own)}
    told = followed = 0
    for at, row in enumerate(track.own):
        if row not in place or row - track.starts[track.clip_of(int(row))] >= most:
            continue
        way = run.board[place[int(row)]] - track.reference[row]
        gone = track.board[at] - track.reference[row]
        if _square(way) <= STILL * track.size:
            continue
        told += 1
        share = float((way * gone).sum()) / _square(way)
        followed += share >= SHARE and _square(gone - way) <= 0.5 * _square(gone)
    return followed / told if told >= 2 else 0.0


def course_finding(track: Track, noise: float) -> ClipFinding | None:
    """Read from the errors alone that the state differs: first frames are good and later ones are not, or
    the first frames of later clips are bad, and then it wears off."""
    clips = [track.error[(track.own >= clip.start) & (track.own < clip.stop)] for clip in track.clips()]
    clips = [errors for errors in clips if len(errors) >= 4]
    if not clips:
        return None
    first, second = _middle([errors[0] for errors in clips]), _middle([errors[1] for errors in clips])
    rest = _middle([float(numpy.median(errors[1:])) for errors in clips])
    at_once = second > AT_ONCE * rest  # what grows step by step is drift
    if at_once and second > max(noise, FIRST * first) and rest > max(noise, FIRST * first):
        text = (
            f"the first frame of each clip is good ({first:.3g}), the second is not ({second:.3g}): the "
            "state that it reads differs"
        )
        return ClipFinding("state_differs", track.name, text, track.numbers[1:2], 0.6)
    return _bad_starts(track, noise)


def _bad_starts(track: Track, noise: float) -> ClipFinding | None:
    """The first clip begins well and the others badly, from the first frame of the second on."""
    good = float(track.error[0])
    bad: list[bool] = []
    for clip in track.clips()[1:]:
        at = numpy.flatnonzero(track.own == clip.start)
        if not at.size:
            continue
        start, before = float(track.error[at[0]]), float(track.error[at[0] - 1])
        bad.append(start > max(noise, FIRST * good, 0 if bad else 2 * before))
    if not bad or sum(bad) < 0.6 * len(bad) or not bad[0]:
        return None
    rows = track.clips()[1]
    errors = track.error[(track.own >= rows.start) & (track.own < rows.stop)]
    start, tail = float(errors[0]), float(numpy.median(errors[1:]))
    text = (
        f"clips after the first begin badly ({start:.3g}, then {tail:.3g}), the first begins well "
        f"({good:.3g}): the state is not reset at {frame_text(track, rows.start)}"
    )
    return ClipFinding("state_not_reset", track.name, text, (track.numbers[rows.start],), 0.5)


def _middle(values: list[float]) -> float:
    return float(numpy.median(values))


def _square(values: Array) -> float:
    return float((values * values).sum())
