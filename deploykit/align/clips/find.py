"""Look at all tensors of a dump over time, and name each fault once: at the first tensor that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from deploykit.align.clips.finding import ClipFinding
from deploykit.align.clips.order import order_finding
from deploykit.align.clips.state import course_finding, explained_by, state_finding
from deploykit.align.clips.track import Track
from deploykit.align.clips.trend import trend_finding

Runs = Mapping[str, Mapping[str, Track]]
"""kind of fault -> tensor -> its track in the reference's run with that fault (as `board`)."""

WHOLE = ("lag", "ahead", "frozen", "clip_order")
"""Orders that nearly all frames of a run show."""


def find_faults(
    tracks: Iterable[Track],
    *,
    state: Sequence[tuple[str, str]] = (),
    runs: Runs | None = None,
    noise: float,
) -> tuple[ClipFinding, ...]:
    """Give what is wrong over time, tensors in computing order. `state`: pairs of (output, input).

    What most tensors show of the order of frames explains all that comes after it; then faults of the state
    explain the errors' course. An order that few tensors show counts after those, as a wrong state makes some
    frames look like others; only one that nearly all frames show goes before what the errors' course tells.
    """
    by_name = {track.name: track for track in tracks}
    writers = {read: written for written, read in state}
    plain = [track for name, track in by_name.items() if name not in writers]
    orders = [order_finding(track) for track in plain]
    order = [item for item in orders if item is not None]
    still = [item for item in order if item.kind == "cannot_tell"]
    moved = [item for item in order if item.kind != "cannot_tell"]
    in_step = bool(orders) and orders[0] is None  # what enters the network is the right frame
    seen = _read_states(by_name, writers) if in_step else []
    if not seen and 2 * len(moved) > len(plain) - len(still):
        return (_first(moved),)
    found = seen or _state_faults(by_name, writers, runs or {})
    found = found or [item for item in moved if item.kind in WHOLE]
    if not found and not any(read in by_name for read in writers):
        found = _present(course_finding(track, noise) for track in by_name.values())
    found = found or moved or _present(trend_finding(track, noise) for track in plain)
    if found:
        return (_first(found),)
    return (_first(still),) if plain and len(still) == len(plain) else ()


def _read_states(by_name: Mapping[str, Track], writers: Mapping[str, str]) -> list[ClipFinding]:
    """Look at the states that were dumped themselves."""
    return _present(
        state_finding(by_name[read], by_name.get(written))
        for read, written in writers.items()
        if read in by_name
    )


def _state_faults(by_name: Mapping[str, Track], writers: Mapping[str, str], runs: Runs) -> list[ClipFinding]:
    """Look at states that were dumped; where there is nothing, at the runs with faults in them."""
    found = _read_states(by_name, writers)
    for name, track in by_name.items():
        if found:
            break
        others = {kind: tracks[name] for kind, tracks in runs.items() if name in tracks}
        found = _present([explained_by(track, others)])
    return found


def _present(found: Iterable[ClipFinding | None]) -> list[ClipFinding]:
    return [item for item in found if item is not None]


def _first(found: Sequence[ClipFinding]) -> ClipFinding:
    """Give the first tensor's finding, and how many others show the same kind."""
    first = found[0]
    return replace(first, also=sum(item.kind == first.kind for item in found) - 1)
