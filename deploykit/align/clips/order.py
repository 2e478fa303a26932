"""Which frame of the reference each frame of a board shows: late, lost, repeated, stale, clips exchanged.

Whether board frame t shows reference frame s instead of its own is read from

    share = (|B_t - R_t|^2 - |B_t - R_s|^2 + |R_t - R_s|^2) / (2 |R_t - R_s|^2),

the part of the way from R_t to R_s that B_t has gone: 0 for its own frame, 1 for s, whatever noise is on top.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy

from deploykit.align.clips.finding import ClipFinding, frame_text
from deploykit.align.clips.shift import one_shift
from deploykit.align.clips.track import Track
from deploykit.align.element_types import Array

SHARE = 0.75
"""From this part of the way on a board frame shows the other frame."""

BETTER = 0.5
"""The other frame has to leave at most this part of the squared difference, and of what the board shows:
small frames are near to anything."""

MOTION = 0.3
"""Frames that differ by less than this part of the board's own difference cannot be told apart."""

STILL = 1e-4
"""Frames that differ by less than this part of the tensor's size are the same scene."""

MOST = 0.7
"""The share of the frames that can tell from which on all of the clip counts as such."""


@dataclass(frozen=True)
class Shown:
    """Which reference row each board row shows; `known` is False where the scene hardly moves there."""

    rows: Array
    known: Array


def shown_frames(track: Track) -> Shown:
    """Find the reference frame that each board frame shows; its own wherever none is clearly nearer."""
    at, own = numpy.arange(len(track.own)), track.own
    nearest = track.distance.argmin(axis=1)
    mine, best = track.distance[at, own], track.distance[at, nearest]
    apart = track.motion[own, nearest]
    with numpy.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where the own frame is the nearest
        share = (mine - best + apart) / (2 * apart)
    other = (nearest != own) & (share >= SHARE) & (best <= BETTER * mine)
    other &= (apart > STILL**2 * track.size) & (best <= BETTER * track.content)
    rows = numpy.where(other, nearest, own)
    return Shown(rows, other | _tells(track, mine))


def _tells(track: Track, mine: Array) -> Array:
    """Say where the frames beside differ enough for an own frame to be recognised."""
    last = len(track.numbers) - 1
    before, after = numpy.maximum(track.own - 1, 0), numpy.minimum(track.own + 1, last)
    beside = numpy.maximum(track.motion[track.own, before], track.motion[track.own, after])
    return numpy.asarray((beside > MOTION**2 * mine) & (beside > STILL**2 * track.size))


def order_finding(track: Track) -> ClipFinding | None:
    """Say how the board's order of frames differs; None where each frame that can tell shows itself."""
    shown = shown_frames(track)
    count = int(shown.known.sum())
    if count < 3:
        return _cannot_tell(track)
    offset = (track.own - shown.rows)[shown.known]
    if not offset.any():
        return None
    return (
        _frozen(track, shown)
        or _clips_exchanged(track, shown)
        or _lag(track, shown)
        or _events(track, shown)
        or one_shift(track)
        or _any_order(track, shown)
    )


def _cannot_tell(track: Track) -> ClipFinding | None:
    own = track.motion.max(initial=0.0)
    if own > STILL**2 * track.size and not track.error.any():
        return None  # each frame is its own, exactly
    reason = "the reference hardly moves in these frames, beside the difference of the board"
    return ClipFinding("cannot_tell", track.name, f"the order of frames cannot be told: {reason}", (), 0.0)


def _frozen(track: Track, shown: Shown) -> ClipFinding | None:
    """Board(t) is board(0) of the whole run, or of each clip."""
    rows, known = shown.rows, shown.known
    starts = numpy.array([track.starts[track.clip_of(int(row))] for row in track.own])
    for first, where in ((track.own * 0 + track.own[0], "the first frame"), (starts, "each clip's first")):
        moved = known & (track.own != first)
        if moved.sum() < 3:
            continue
        part = float((rows == first)[moved].mean())
        if part >= MOST:
            text = f"the board shows {where} in all frames: its buffer is never filled again"
            return ClipFinding("frozen", track.name, text, _numbers(track, moved, 1), part)
    return None


def _clips_exchanged(track: Track, shown: Shown) -> ClipFinding | None:
    """Each clip shows one other clip at the same places."""
    if len(track.starts) < 2:
        return None
    clips = track.clips()
    source: list[int] = []
    parts: list[float] = []
    for number, clip in enumerate(clips):
        mine = shown.known & numpy.isin(track.own, list(clip))
        if not mine.any():
            return None
        where = Counter(track.clip_of(int(row)) for row in shown.rows[mine])
        source.append(where.most_common(1)[0][0])
        begin = clips[source[number]].start
        parts.append(float((shown.rows[mine] - begin == track.own[mine] - clip.start).mean()))
    wrong = [number for number, other in enumerate(source) if number != other]
    if not wrong or min(parts[number] for number in wrong) < MOST:
        return None
    text = ", ".join(f"clip {number} shows clip {source[number]}" for number in wrong[:6])
    frames = tuple(track.numbers[clips[number].start] for number in wrong)
    confidence = float(numpy.mean([parts[number] for number in wrong]))
    return ClipFinding("clip_order", track.name, f"clips are exchanged: {text}", frames, confidence)


def _lag(track: Track, shown: Shown) -> ClipFinding | None:
    """All frames are late by the same number."""
    offset = (track.own - shown.rows)[shown.known]
    late, times = Counter(offset.tolist()).most_common(1)[0]
    possible = shown.known & (track.own >= late) & (track.own - late < len(track.numbers))
    part = times / max(1, int(possible.sum()))
    if late == 0 or part < 0.9:
        return None
    if (track.own - shown.rows)[possible][0] != late:
        return None  # in step at first: something happened on the way
    frames = "frame" if abs(late) == 1 else "frames"
    if late > 0:
        text = f"the board is {late} {frames} late: board(t) = reference(t - {late})"
        return ClipFinding("lag", track.name, text, (), min(1.0, part), {"frames": late})
    return _ahead(track, -late, min(1.0, part))


def _ahead(track: Track, frames: int, part: float) -> ClipFinding:
    count = "1 frame" if frames == 1 else f"{frames} frames"
    text = f"the board is {count} ahead: board(t) = reference(t + {frames}); its first are missing"
    return ClipFinding("ahead", track.name, text, (), part, {"frames": frames})


def _events(track: Track, shown: Shown) -> ClipFinding | None:
    """Frames that do not follow on the one before: held ones, and leaps."""
    at = numpy.flatnonzero(shown.known)
    holds: list[tuple[int, int]] = []  # (row, frames late from there on, beside the frame before)
    leaps: list[tuple[int, int]] = []
    ends = {rows.stop - 1 for rows in track.clips()}
    clip = -1
    late = 0
    for index in at:
        row, now = int(track.own[index]), int(track.own[index] - shown.rows[index])
        if track.clip_of(row) != clip and now == 0:
            late = 0  # a clip that begins in step again
        clip = track.clip_of(row)
        if late < now <= 0 and int(shown.rows[index]) in ends:
            continue  # the board has run out of frames and shows the last again
        if now > late:
            holds.append((row, now - late))
        elif now < late:
            leaps.append((row, late - now))
        late = now
    offsets = set((track.own - shown.rows)[at].tolist())
    total_held = sum(n for _, n in holds)
    if not holds and len(leaps) == 1 and leaps[0][0] <= track.own[0] + 1:
        return _ahead(track, leaps[0][1], 1.0)
    if not holds and leaps and min(offsets) < 0:
        return _dropped(track, leaps, min(offsets))
    if holds and min(offsets) == 0 and _each_held(track, shown):  # also where a clip's end comes first
        stale = [int(row) for row in track.own[shown.known & (shown.rows != track.own)]]
        where = frame_text(track, stale[0])
        text = (
            f"{_count(len(stale))} stale, the first is {where}: it shows an older frame, the next is in step"
        )
        return ClipFinding("stale", track.name, text, tuple(track.numbers[row] for row in stale))
    if holds and not leaps and max(offsets) > 0:
        row, held = holds[0]
        text = (
            f"{_count(total_held)} shown again from {frame_text(track, row)} on: the board is late from there"
        )
        return ClipFinding(
            "repeated", track.name, text, tuple(track.numbers[r] for r, _ in holds), 1.0, {"frames": held}
        )
    return None


def _each_held(track: Track, shown: Shown) -> bool:
    """Say whether every frame that is not its own shows the one before, which was shown already."""
    return all(
        now == before
        for (before, now), own, known in zip(
            pairwise([-1, *shown.rows.tolist()]), track.own.tolist(), shown.known.tolist(), strict=True
        )
        if known and now != own
    )


def _dropped(track: Track, leaps: list[tuple[int, int]], furthest: int) -> ClipFinding:
    row, lost = leaps[0]
    place = frame_text(track, row)
    text = f"{_count(-furthest)} lost at {place}: from there on board(t) = reference(t + {lost})"
    frames = tuple(track.numbers[row] for row, _ in leaps)
    return ClipFinding("dropped", track.name, text, frames, 1.0, {"frames": -furthest})


def _any_order(track: Track, shown: Shown) -> ClipFinding:
    wrong = shown.known & (shown.rows != track.own)
    pairs = [
        f"{track.numbers[int(row)]} shows {track.numbers[int(other)]}"
        for row, other in zip(track.own[wrong], shown.rows[wrong], strict=True)
    ]
    text = f"{_count(int(wrong.sum()))} in another order: {', '.join(pairs[:5])}" + (
        ", ..." if len(pairs) > 5 else ""
    )
    return ClipFinding(
        "frame_order", track.name, text, _numbers(track, wrong, 8), float(wrong.sum() / shown.known.sum())
    )


def _count(frames: int) -> str:
    return "1 frame is" if frames == 1 else f"{frames} frames are"


def _numbers(track: Track, chosen: Array, most: int) -> tuple[int, ...]:
    return tuple(track.numbers[int(row)] for row in track.own[chosen][:most])
