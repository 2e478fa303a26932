"""From two dumps to the faults that only several frames show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deploykit.align.clips.find import find_faults
from deploykit.align.clips.track import Track, make_track
from deploykit.align.compare import Options, open_pair
from deploykit.align.dump import Dump
from deploykit.align.result import Diff
from deploykit.core.errors import input_error


def look_over_time(
    diff: Diff,
    reference: Dump,
    board: Dump,
    *,
    options: Options,
    clips: Sequence[int] = (),
    runs: Mapping[str, Dump] | None = None,
) -> tuple[dict[str, Any], ...]:
    """Give the findings of `align.clips` as plain values, for a result.

    `clips`: each clip's number of frames, where the reference does not say it. `runs`: kind of fault -> the
    reference's dump of a run with that fault.

    Raises:
        InputError: clips that do not add up to the frames.
    """
    pairs = [(item.name, item.board_name) for item in diff.tensors if item.status == "compared"]
    starts = _starts(clips or [count for _, count in reference.clips])
    tracks = [
        track
        for name, board_name in pairs
        if name in reference.names
        for track in [_track(reference, board, name, board_name, options, starts)]
        if track is not None
    ]
    total = sum(clips)
    if clips and tracks and total != len(tracks[0].numbers):
        raise input_error("--clips", f"adds up to {total} frames, the reference has {len(tracks[0].numbers)}")
    others = {
        kind: {
            track.name: found
            for track in tracks
            for found in [_other(reference, dump, track, options, starts)]
            if found is not None
        }
        for kind, dump in (runs or {}).items()
    }
    found = find_faults(tracks, state=reference.state, runs=others, noise=options.noise)
    return tuple(asdict(item) for item in found)


def _track(
    reference: Dump, board: Dump, name: str, board_name: str, options: Options, starts: tuple[int, ...]
) -> Track | None:
    ours, theirs = open_pair(reference, board, name, board_name, options=options)
    inside = tuple(start for start in starts if start < len(ours.by_number))
    return make_track(name, ours.by_number, theirs.by_number, starts=inside)


def _other(
    reference: Dump, run: Dump, track: Track, options: Options, starts: tuple[int, ...]
) -> Track | None:
    """Sample another run of the reference; it needs not to hold every tensor."""
    if track.name not in run.names:
        return None
    return _track(reference, run, track.name, track.name, Options(noise=options.noise), starts)


def _starts(clips: Sequence[int]) -> tuple[int, ...]:
    starts = [0]
    for count in clips[:-1]:
        starts.append(starts[-1] + count)
    return tuple(starts)
