"""Error over time: does it grow with the clip, or is it one spell of bad frames?"""

from __future__ import annotations

import math

import numpy

from deploykit.align.clips.finding import ClipFinding, frame_text
from deploykit.align.clips.track import Track
from deploykit.align.element_types import Array

GROWTH = 3.0
"""A drift's error at the end of a clip over that at its begin, by the median slope."""

SCORE = 4.0
"""Mann-Kendall's z from which on a trend is none of chance (one in 30,000 for errors in any order)."""

OUTLIER = 3.0
"""A bad frame has this many times the middle error."""

SUDDEN = 2.0
"""The first bad frame has this many times the error of the one before it."""

SPREAD = 6.0
"""A bad frame's logarithm lies this many standard deviations (by the median) above the middle."""


def trend_finding(track: Track, noise: float) -> ClipFinding | None:
    """Tell drift from a spell of bad frames; None where errors stay level. Errors below `noise` are none."""
    logs = numpy.log(numpy.maximum(track.error, noise / 4))
    return _spell(track, logs, noise) or _drift(track, logs, noise)


def _spell(track: Track, logs: Array, noise: float) -> ClipFinding | None:
    """A few bad frames beside level ones, or all of them from one frame on."""
    bad = _bad(track, logs, noise)
    rows = numpy.flatnonzero(bad)
    if not rows.size:
        return None
    first, last = int(rows[0]), int(rows[-1])
    if first and track.error[first] < SUDDEN * track.error[first - 1]:
        return None  # it came slowly
    middle = float(numpy.exp(numpy.median(logs[~bad])))
    worst = float(track.error[rows].max())
    evidence = {"error": worst, "middle_error": middle}
    place = frame_text(track, int(track.own[first]))
    numbers = tuple(track.numbers[int(track.own[row])] for row in rows)
    lasts = last == len(logs) - 1 and rows.size == last - first + 1 and rows.size > 2
    if lasts and track.error[-1] > track.error[first] / 2:
        text = f"from {place} on the error is {worst:.3g} at most, {middle:.3g} before, and does not recover"
        return ClipFinding("step", track.name, text, numbers, 1.0, evidence)
    after = f"it recovers at frame {track.numbers[int(track.own[last + 1])]}" if last + 1 < len(logs) else ""
    after = after or ("it wears off to the end" if rows.size > 1 else "it is the last frame")
    text = f"one-off: {place} is the first bad frame (error {worst:.3g}, {middle:.3g} elsewhere), {after}"
    return ClipFinding("one_off", track.name, text, numbers, 1.0, evidence)


def _bad(track: Track, logs: Array, noise: float) -> Array:
    """Mark the frames far above the middle; all after a change for good where that splits them better."""
    middle = numpy.median(logs)
    spread = max(1.4826 * float(numpy.median(numpy.abs(logs - middle))), 0.05)
    far = (logs - middle > max(SPREAD * spread, math.log(OUTLIER))) & (track.error > noise)
    if far.any() and far.mean() <= 0.45:
        return far  # type: ignore[no-any-return]  # numpy
    for at in range(3, len(logs) - 2):
        before, after = logs[:at], logs[at:]
        if after.min() - before.max() > math.log(OUTLIER) and track.error[at:].min() > noise:
            return numpy.arange(len(logs)) >= at
    return numpy.zeros(len(logs), bool)


def _drift(track: Track, logs: Array, noise: float) -> ClipFinding | None:
    """Mann-Kendall's test within clips, pooled, or over all frames, and the median slope (Theil, Sen)."""
    by_clip = [
        numpy.flatnonzero((track.own >= clip.start) & (track.own < clip.stop)) for clip in track.clips()
    ]
    for parts in (by_clip, [numpy.arange(len(logs))]):
        clips = [logs[rows] for rows in parts if len(rows) >= 8]
        if clips and _grows(clips, noise):
            return _grown(track, clips, noise)
    return None


def _grows(clips: list[Array], noise: float) -> bool:
    score, slope = _trend(clips)
    late_score, late_slope = _trend([values[len(values) // 2 :] for values in clips])
    end = float(numpy.exp(numpy.median([numpy.median(values[-(len(values) // 3) :]) for values in clips])))
    goes_on = late_slope > slope / 4 and late_score > 2
    return score > SCORE and _growth(clips, slope) > GROWTH and end > noise and goes_on


def _grown(track: Track, clips: list[Array], noise: float) -> ClipFinding:
    score, slope = _trend(clips)
    growth = _growth(clips, slope)
    begin = float(numpy.exp(numpy.median([numpy.median(values[:3]) for values in clips])))
    shown = numpy.flatnonzero(track.error > max(noise, 2 * begin))
    row = int(track.own[shown[0]]) if shown.size else int(track.own[-1])
    length = int(numpy.median([len(values) for values in clips]))
    text = (
        f"drift: the error grows {growth:.3g} times over {length} frames (Mann-Kendall z = {score:.1f}) and "
        f"goes on growing; {frame_text(track, row)} is the first in which it shows"
    )
    evidence = {"growth": growth, "z": score, "slope_per_frame": slope}
    return ClipFinding("drift", track.name, text, (track.numbers[row],), min(1.0, score / 8), evidence)


def _growth(clips: list[Array], slope: float) -> float:
    return math.exp(slope * (float(numpy.median([len(values) for values in clips])) - 1))


def _trend(clips: list[Array]) -> tuple[float, float]:
    """Give z and the median slope over pairs of frames of one clip."""
    total, variance = 0.0, 0.0
    slopes: list[Array] = []
    for values in clips:
        early, late = numpy.triu_indices(len(values), 1)
        rise = values[late] - values[early]
        total += float(numpy.sign(rise).sum())
        variance += len(values) * (len(values) - 1) * (2 * len(values) + 5) / 18
        slopes.append(rise / (late - early))
    if not variance:
        return 0.0, 0.0
    return total / math.sqrt(variance), float(numpy.median(numpy.concatenate(slopes)))
