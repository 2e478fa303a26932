"""Replays a schedule on the copies of a shared feature: does each reader find one whole frame throughout?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploykit.analysis.block_copies import grouped_runs
from deploykit.artifacts.memory_blocks import MemoryBlock
from deploykit.artifacts.schedule import Schedule


@dataclass(frozen=True)
class _Event:
    """Something that happens to a block; at equal times ends come before starts, reading before writing."""

    time_ns: int
    is_start: bool
    user: str
    writes: bool
    group: int


def replay_feature(block: MemoryBlock, schedule: Schedule) -> tuple[str, ...]:
    """Name every reader whose frame was written over while it read. Frame t lies in copy t mod `copies`.

    A copy holds nothing from the start of its writer's run to its end. A reader takes the newest frame that
    is whole when it starts, and has to find the same frame when it ends.
    """
    copies: list[int | None] = [None] * block.copies
    newest: int | None = None
    reading: dict[tuple[str, int], int] = {}
    faults = []
    for event in _events(block, schedule):
        slot = event.group % block.copies
        if event.writes and event.is_start:
            copies[slot] = None
            taken = [
                (user, frame)
                for (user, _), frame in reading.items()
                if frame % block.copies == slot and frame != event.group
            ]
            faults += [
                f"at {event.time_ns} ns {event.user} writes frame {event.group} over frame {frame}, which "
                f"{user} still reads"
                for user, frame in taken
            ]
        elif event.writes:
            copies[slot] = newest = event.group
        elif event.is_start and newest is not None:
            reading[event.user, event.group] = newest
            if copies[newest % block.copies] != newest:
                faults.append(f"at {event.time_ns} ns {event.user} finds no whole frame")
        elif not event.is_start:
            reading.pop((event.user, event.group), None)
    return tuple(faults)


def _events(block: MemoryBlock, schedule: Schedule) -> Sequence[_Event]:
    found = []
    last = max((place for place, user in enumerate(block.users) if user.role == "writes"), default=-1)
    for place, user in enumerate(block.users):
        if user.role == "writes" and place != last:
            continue  # the last segment that writes completes the frame
        for number, group in grouped_runs(schedule, user.name, user.runs).items():
            writes = user.role == "writes"
            found.append(_Event(group.start_ns, True, user.name, writes, number))
            if group.is_whole or not writes:  # a frame that is never whole is never read
                found.append(_Event(group.end_ns, False, user.name, writes, number))
    return sorted(found, key=lambda event: (event.time_ns, event.is_start, event.writes, event.user))
