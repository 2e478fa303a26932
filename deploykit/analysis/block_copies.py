"""How many copies a block needs, so that nobody writes what somebody still reads: from a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deploykit.artifacts.schedule import Schedule, ScheduledRun

DEFAULT_COPIES = 2
"""Without a schedule: one copy is written while the other is read."""


@dataclass(frozen=True)
class Use:
    """The half-open time over which one frame's copy is in use, from its writing to its last reading."""

    frame: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class RunGroup:
    """So many runs of a segment as make one frame of a feature, from the first start to the last end.

    `is_whole` is False where the schedule ends before the last of them.
    """

    start_ns: int
    end_ns: int
    is_whole: bool


def feature_uses(
    schedule: Schedule, writer: tuple[str, int], readers: Iterable[tuple[str, int]]
) -> tuple[Use, ...]:
    """Give when each frame of a feature is in use: from its writer's start to its last reader's end.

    Each user is `NETWORK.SEGMENT` and how often it runs for one frame of the feature. A reader takes the
    newest frame that was whole when it started.
    """
    written = grouped_runs(schedule, *writer)
    ends = {frame: group.end_ns for frame, group in written.items()}
    for reader in readers:
        for group in grouped_runs(schedule, *reader).values():
            whole = [
                (item.end_ns, frame)
                for frame, item in written.items()
                if item.is_whole and item.end_ns <= group.start_ns
            ]
            if whole:
                newest = max(whole)[1]
                ends[newest] = max(ends[newest], group.end_ns)
    return tuple(Use(frame, group.start_ns, ends[frame]) for frame, group in sorted(written.items()))


def frame_uses(schedule: Schedule, network: str) -> tuple[Use, ...]:
    """Give when each frame of a network is under way, from its release to the end of its last segment."""
    found: dict[int, Use] = {}
    for run in schedule.runs:
        if run.network == network:
            before = found.get(run.frame)
            end = max(run.end_ns, before.end_ns) if before else run.end_ns
            found[run.frame] = Use(run.frame, run.release_ns, end)
    return tuple(found[frame] for frame in sorted(found))


def copies_needed(uses: Sequence[Use]) -> int:
    """Give the least number n so that frame t + n begins after frame t is over, for copies t mod n."""
    for copies in range(1, len(uses) + 1):
        by_frame: Mapping[int, Use] = {use.frame: use for use in uses}
        if all(
            use.frame + step * copies not in by_frame
            or use.end_ns <= by_frame[use.frame + step * copies].start_ns
            for use in uses
            for step in range(1, len(uses) // copies + 1)
        ):
            return copies
    return max(len(uses), 1)


def grouped_runs(schedule: Schedule, name: str, runs: int) -> dict[int, RunGroup]:
    """Give each so many runs of a segment (`NETWORK.SEGMENT`), by the number of the frame that they make."""
    found: dict[int, list[ScheduledRun]] = {}
    for run in schedule.runs:
        if f"{run.network}.{run.segment}" == name:
            found.setdefault(run.frame // runs, []).append(run)
    return {
        frame: RunGroup(
            min(run.start_ns for run in group), max(run.end_ns for run in group), len(group) == runs
        )
        for frame, group in found.items()
    }
