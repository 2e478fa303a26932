"""Schedule segments: who runs when on which engine, and whether the frame rates hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from deploykit.analysis.frame_jobs import FrameLabel, NetworkFrames, engine_demand, frame_problem, state_waits
from deploykit.analysis.hyperperiod import NS_PER_S, FrameClock, horizon_s, hyperperiod_s
from deploykit.analysis.rate_fit import largest_fit, schedule_notices
from deploykit.analysis.segment_order import direct_predecessors
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.schedule import EngineUse, NetworkTiming, Schedule, ScheduledRun
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile
from deploykit.solve.schedule.list_schedule import schedule
from deploykit.solve.schedule.problem import ScheduleProblem
from deploykit.solve.schedule.solution import Timetable, lateness
from deploykit.solve.schedule.validate import timetable_faults
from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class Rate:
    """How often a network runs: `rate_hz` frames per second.

    `deadline_ms` is how long after its release a frame must have ended: one period where it isn't given.
    `offset_ms` is when the first frame is released.
    """

    rate_hz: float = 10.0
    deadline_ms: float | None = None
    offset_ms: float = 0.0


@dataclass(frozen=True)
class ScheduleParams:
    """How the segments of all networks are scheduled.

    `rates` gives each network's rate by its name, `default_rate` that of networks which it doesn't name.
    `frames_in_flight`: how many frames of one network may be under way at once; the memory plan's shared
    block holds one frame, so that more need as many shared blocks. `least_frames`: how many frames of each
    network to schedule at least, so that what waits for an earlier frame shows. `longest_ms` and `most_runs`
    (segments times frames) limit what is scheduled where the hyperperiod of the rates is longer.
    """

    rates: dict[str, Rate] = field(default_factory=dict)
    default_rate: Rate = Rate()
    frames_in_flight: int = 1
    least_frames: int = 4
    longest_ms: float = 2000.0
    most_runs: int = 1000


@dataclass(frozen=True)
class NetworkWork:
    """What is scheduled of one network."""

    partition: Partition
    costs: CostReport
    plan: PrecisionPlan


PARAMS = ScheduleParams
GIVES = Schedule


def run(call: StageCall) -> Schedule:
    """Schedule all networks of the pipeline together."""
    parts = zip(call.inputs["split"], call.inputs["analyze"], call.inputs["precision"], strict=True)
    work = tuple(NetworkWork(partition, costs, plan) for partition, costs, plan in parts)
    return schedule_graphs(work, profile=call.profile, params=call.params)


@dataclass(frozen=True)
class _Attempt:
    """One timetable with the problem that it answers."""

    networks: tuple[NetworkFrames, ...]
    horizon: Fraction
    problem: ScheduleProblem
    labels: tuple[FrameLabel, ...]
    table: Timetable

    @property
    def feasible(self) -> bool:
        """Say whether nobody is late and no engine needs more than all of its time."""
        in_time = lateness(self.problem, self.table.placements) == 0
        return in_time and all(share <= 1 for share in engine_demand(self.networks).values())


def schedule_graphs(work: Sequence[NetworkWork], *, profile: ChipProfile, params: ScheduleParams) -> Schedule:
    """Schedule every network's segments, frame by frame, on the engines that they are meant for.

    A run is never interrupted. A segment waits for those that write what it reads in the same frame, for its
    own run of the frame before, and where it touches a state pair for whoever used the pair's buffers a frame
    before.

    Raises:
        InputError: impossible rates, names that no network has, segments for engines that the chip lacks.
    """
    attempt = _attempt(work, profile, params, Fraction(1))
    machines = _machines(profile)
    runs = _runs(attempt, machines)
    horizon_ns = math.floor(attempt.horizon * NS_PER_S)
    period = hyperperiod_s([network.clock.rate_hz for network in attempt.networks])
    timings = tuple(_timing(network, runs) for network in attempt.networks)

    def fits(scale: Fraction) -> bool:
        return _attempt(work, profile, params, scale).feasible

    return Schedule(
        chip=profile.name,
        horizon_ns=horizon_ns,
        runs=runs,
        engines=_engine_use(runs, machines, horizon_ns),
        bound=attempt.table.bound,
        feasible=attempt.feasible,
        notices=schedule_notices(
            attempt.networks,
            timings,
            runs,
            machines,
            horizon_ns,
            period,
            fit=None if attempt.feasible else largest_fit(fits),
        ),
        hyperperiod_ns=math.floor(period * NS_PER_S),
        networks=timings,
    )


def _attempt(
    work: Sequence[NetworkWork], profile: ChipProfile, params: ScheduleParams, scale: Fraction
) -> _Attempt:
    """Make a timetable with all rates multiplied by `scale`; the independent validator has seen it."""
    networks = _networks(work, profile, params, scale)
    horizon = horizon_s(
        [network.clock for network in networks],
        [len(network.segments) for network in networks],
        least_frames=params.least_frames,
        longest_s=params.longest_ms / 1e3,
        most_runs=params.most_runs,
    )
    problem, labels = frame_problem(networks, horizon, len(_machines(profile)), params.frames_in_flight)
    table = schedule(problem)
    faults = timetable_faults(problem, table.placements)
    if faults:  # ours: a method that breaks the rules never gets further
        raise AssertionError("; ".join(faults))
    return _Attempt(networks, horizon, problem, labels, table)


def _machines(profile: ChipProfile) -> list[tuple[str, int]]:
    """List the chip's engines one by one: (name, index among those of that name)."""
    return [(engine.name, index) for engine in profile.engines for index in range(engine.count)]


def _networks(
    work: Sequence[NetworkWork], profile: ChipProfile, params: ScheduleParams, scale: Fraction
) -> tuple[NetworkFrames, ...]:
    """Make the networks ready, or say everything that is wrong with them and their rates."""
    names = [item.partition.network for item in work]
    faults = [
        Fault(f"schedule.rates.{name}", f"the pipeline has no such network{did_you_mean(name, names)}")
        for name in params.rates
        if name not in names
    ]
    found: list[NetworkFrames] = []
    for item in work:
        rate = params.rates.get(item.partition.network, params.default_rate)
        own = [*_rate_faults(item.partition.network, rate), *_engine_faults(item.partition, profile)]
        faults += own
        if not own:
            found.append(_network(item, rate, profile, scale))
    if faults:
        raise InputError(*faults)
    return tuple(found)


def _rate_faults(network: str, rate: Rate) -> list[Fault]:
    where = f"schedule.rates.{network}"
    faults = []
    if not 0 < rate.rate_hz < math.inf:
        faults.append(Fault(where, f"rate_hz is {rate.rate_hz}", "give the frames per second, above 0"))
    if rate.deadline_ms is not None and not 0 < rate.deadline_ms < math.inf:
        faults.append(Fault(where, f"deadline_ms is {rate.deadline_ms}", "give milliseconds above 0"))
    if not 0 <= rate.offset_ms < math.inf:
        faults.append(Fault(where, f"offset_ms is {rate.offset_ms}", "give milliseconds from 0 up"))
    return faults


def _engine_faults(partition: Partition, profile: ChipProfile) -> list[Fault]:
    have = ", ".join(engine.name for engine in profile.engines)
    return [
        Fault(
            f"{partition.network}, segment {segment.name}",
            f"it is meant for engine {segment.engine!r}, but {profile.name} has {have}",
            "split for this chip again, or add the engine to the profile",
        )
        for segment in partition.segments
        if not _engine_machines(segment.engine, profile)
    ]


def _engine_machines(engine: str, profile: ChipProfile) -> tuple[int, ...]:
    """Give the machines that a segment's engine stands for: those of that name, else those of that kind."""
    machines = _machines(profile)
    names = {item.name for item in profile.engines if item.name == engine}
    names = names or {item.name for item in profile.engines if item.kind == engine}
    return tuple(index for index, (name, _) in enumerate(machines) if name in names)


def _network(item: NetworkWork, rate: Rate, profile: ChipProfile, scale: Fraction) -> NetworkFrames:
    partition = item.partition
    rate_hz = Fraction(str(rate.rate_hz)) * scale  # as it is written, so that 0.1 Hz is a tenth
    deadline_ns = (
        math.floor(NS_PER_S / rate_hz) if rate.deadline_ms is None else round(rate.deadline_ms * 1e6)
    )
    totals = item.costs.segment_totals(item.plan.scheme_of())
    times = {total.segment: math.ceil(total.time_s * NS_PER_S) for total in totals}
    return NetworkFrames(
        name=partition.network,
        segments=partition.segments,
        clock=FrameClock(rate_hz, round(rate.offset_ms * 1e6), deadline_ns),
        times_ns=tuple(max(times.get(segment.name, 0), 1) for segment in partition.segments),
        machines=tuple(_engine_machines(segment.engine, profile) for segment in partition.segments),
        before=direct_predecessors(partition),
        before_next=state_waits(partition),
    )


def _runs(attempt: _Attempt, machines: Sequence[tuple[str, int]]) -> tuple[ScheduledRun, ...]:
    found = []
    placements = attempt.table.placements
    for label, job, place in zip(attempt.labels, attempt.problem.jobs, placements, strict=True):
        network = attempt.networks[label.network]
        engine, engine_index = machines[place.machine]
        found.append(
            ScheduledRun(
                network=network.name,
                segment=network.segments[label.segment].name,
                frame=label.frame,
                engine=engine,
                engine_index=engine_index,
                release_ns=job.release,
                start_ns=place.start,
                end_ns=place.end,
                deadline_ns=job.release + network.clock.deadline_ns,
            )
        )
    return tuple(sorted(found, key=lambda run: (run.start_ns, run.network, run.frame, run.end_ns)))


def _engine_use(
    runs: Sequence[ScheduledRun], machines: Sequence[tuple[str, int]], horizon_ns: int
) -> tuple[EngineUse, ...]:
    """Give the busy time of each engine for the frames released in the horizon; more than all of it is above
    1."""
    busy = dict.fromkeys(machines, 0)
    for run in runs:
        busy[run.engine, run.engine_index] += run.end_ns - run.start_ns
    return tuple(EngineUse(name, index, time, time / horizon_ns) for (name, index), time in busy.items())


def _timing(network: NetworkFrames, runs: Sequence[ScheduledRun]) -> NetworkTiming:
    ends: dict[int, int] = {}
    for run in runs:
        if run.network == network.name:
            ends[run.frame] = max(ends.get(run.frame, 0), run.end_ns)
    clock = network.clock
    latencies = [end - clock.release_ns(frame) for frame, end in ends.items()]
    return NetworkTiming(
        network=network.name,
        rate_hz=float(clock.rate_hz),
        deadline_ns=clock.deadline_ns,
        frames=len(latencies),
        late_frames=sum(latency > clock.deadline_ns for latency in latencies),
        alone_ns=network.alone_ns,
        worst_latency_ns=max(latencies, default=0),
        worst_lateness_ns=max([0, *(latency - clock.deadline_ns for latency in latencies)]),
    )
