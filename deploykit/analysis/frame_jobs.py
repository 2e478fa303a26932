"""Turns networks at their frame rates into jobs: one for each segment of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from deploykit.analysis.hyperperiod import NS_PER_S, FrameClock
from deploykit.artifacts.model import Partition, Segment
from deploykit.solve.schedule.problem import Job, ScheduleProblem


@dataclass(frozen=True)
class NetworkFrames:
    """One network, made ready: times and machines a segment, and which segments wait for which.

    `before` are the segments of the same frame that each one waits for, `before_next` pairs (a, b) where b in
    the next frame waits for a in this one.
    """

    name: str
    segments: tuple[Segment, ...]
    clock: FrameClock
    times_ns: tuple[int, ...]
    machines: tuple[tuple[int, ...], ...]
    before: tuple[frozenset[int], ...]
    before_next: frozenset[tuple[int, int]]

    @property
    def alone_ns(self) -> int:
        """A frame's latency on an empty chip."""
        ends: list[int] = []
        for time, before in zip(self.times_ns, self.before, strict=True):
            ends.append(max((ends[index] for index in before), default=0) + time)
        return max(ends, default=0)


@dataclass(frozen=True)
class FrameLabel:
    """Which segment of which frame of which network a job is, by index."""

    network: int
    frame: int
    segment: int


def frame_problem(
    networks: Sequence[NetworkFrames], horizon: Fraction, machine_count: int, frames_in_flight: int
) -> tuple[ScheduleProblem, tuple[FrameLabel, ...]]:
    """Make one job of each segment of each frame that is released in `horizon` seconds."""
    jobs: list[Job] = []
    labels: list[FrameLabel] = []
    index_of: dict[FrameLabel, int] = {}
    for number, network in enumerate(networks):
        for frame in range(network.clock.frames_before(horizon)):
            release = network.clock.release_ns(frame)
            for segment, (time, machines) in enumerate(zip(network.times_ns, network.machines, strict=True)):
                label = FrameLabel(number, frame, segment)
                waits = _waits_of(network, frame, segment, frames_in_flight)
                before = sorted(index_of[FrameLabel(number, *wait)] for wait in waits)
                index_of[label] = len(jobs)
                labels.append(label)
                durations = tuple((machine, time) for machine in machines)
                jobs.append(Job(durations, tuple(before), release, release + network.clock.deadline_ns))
    return ScheduleProblem(machine_count, tuple(jobs)), tuple(labels)


def engine_demand(networks: Sequence[NetworkFrames]) -> dict[tuple[int, ...], Fraction]:
    """Give the share of their time that each group of machines needs, above 1 where it's too much."""
    found: dict[tuple[int, ...], Fraction] = {}
    for network in networks:
        for time, machines in zip(network.times_ns, network.machines, strict=True):
            share = network.clock.rate_hz * time / (len(machines) * NS_PER_S)
            found[machines] = found.get(machines, Fraction(0)) + share
    return found


def _waits_of(
    network: NetworkFrames, frame: int, segment: int, frames_in_flight: int
) -> set[tuple[int, int]]:
    """Give the (frame, segment) runs that a run waits for."""
    waits = {(frame, before) for before in network.before[segment]}
    if frame:
        waits |= {(frame - 1, a) for a, b in network.before_next if b == segment}
    if frame >= frames_in_flight:
        waits |= {(frame - frames_in_flight, last) for last in range(len(network.segments))}
    return waits


def state_waits(partition: Partition) -> frozenset[tuple[int, int]]:
    """Give the pairs (a, b) of segments where b in the next frame waits for a in this one.

    Each segment waits for its own run before, as its arena is one; a reader of state waits for the writer;
    and the writer waits for the readers, as the double buffer's half that it writes is the one that they read
    a frame earlier.
    """
    waits = {(index, index) for index in range(len(partition.segments))}
    for pair in partition.state:
        writers = [i for i, segment in enumerate(partition.segments) if pair.output in segment.graph.outputs]
        readers = [i for i, segment in enumerate(partition.segments) if pair.input in segment.graph.inputs]
        waits |= {(writer, reader) for writer in writers for reader in readers}
        waits |= {(reader, writer) for writer in writers for reader in readers}
    return frozenset(waits)
