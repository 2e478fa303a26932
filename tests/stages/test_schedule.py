"""Schedules of small networks, in milliseconds worked out by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.artifacts.costs import CostReport, NodeCost, SchemeCost
from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.model import Partition, Segment, StatePair
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan
from deploykit.artifacts.schedule import Schedule, ScheduledRun
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.stages.schedule import NetworkWork, Rate, ScheduleParams, schedule_graphs

MS = 1_000_000


def chip(**counts: int) -> ChipProfile:
    peak = {"w8a8": Quantity(1e12, "test")}
    engines = tuple(EngineProfile(name, name, count, peak, ("*",)) for name, count in counts.items())  # type: ignore[arg-type]  # values of one kind by name
    memory = OnChipProfile(Quantity(None))
    return ChipProfile("chip", "Test chip", engines, "cpu", DramProfile(Quantity(1e10, "test")), memory)


def segment(name: str, engine: str, reads: Sequence[str], writes: Sequence[str]) -> Segment:
    tensors = tuple(TensorInfo(tensor, "float", (1,)) for tensor in (*reads, *writes))
    graph = GraphInfo(name, 17, tuple(reads), tuple(writes), tensors, ())
    return Segment(name, (), graph, engine, "test")


def work(
    network: str, *segments: Segment, times_ms: Mapping[str, float], state: Sequence[StatePair] = ()
) -> NetworkWork:
    written = {name for item in segments for name in item.graph.outputs}
    read = {name for item in segments for name in item.graph.inputs}
    partition = Partition(network, tuple(read - written), tuple(written - read), segments, tuple(state), None)
    costs = tuple(
        NodeCost(
            f"{network}.{name}",
            "Conv",
            name,
            "npu",
            0,
            0,
            0,
            0,
            0,
            tuple(
                SchemeCost(scheme, 0, 0, 0, 1.0, "compute", time_ms * factor / 1e3)
                for scheme, factor in (("w8a8", 1), ("float16", 2))
            ),
        )
        for name, time_ms in times_ms.items()
    )
    return NetworkWork(partition, CostReport(network, "chip", costs, ()), PrecisionPlan(network, (), ()))


def chain(
    network: str = "bev", *, npu_ms: float = 20, cpu_ms: float = 10, head_ms: float = 15
) -> NetworkWork:
    return work(
        network,
        segment("backbone", "npu", ["x"], ["h"]),
        segment("scatter", "cpu", ["h"], ["m"]),
        segment("head", "npu", ["m"], ["y"]),
        times_ms={"backbone": npu_ms, "scatter": cpu_ms, "head": head_ms},
    )


def plan(*networks: NetworkWork, profile: ChipProfile | None = None, **rates_hz: float) -> Schedule:
    params = ScheduleParams({name: Rate(rate) for name, rate in rates_hz.items()})
    return schedule_graphs(networks, profile=profile or chip(npu=1, cpu=1), params=params)


def runs_of(schedule: Schedule, segment_name: str) -> list[ScheduledRun]:
    return [run for run in schedule.runs if run.segment == segment_name]


def test_a_chain_runs_frame_by_frame() -> None:
    # 20 + 10 + 15 = 45 ms a frame at 20 Hz: released every 50 ms, no waiting.
    schedule = plan(chain(), bev=20)

    assert schedule.feasible
    assert (schedule.hyperperiod_ns, schedule.horizon_ns) == (50 * MS, 200 * MS)
    assert [(run.start_ns // MS, run.end_ns // MS) for run in runs_of(schedule, "head")] == [
        (30, 45),
        (80, 95),
        (130, 145),
        (180, 195),
    ]
    busy = {use.engine: round(use.utilisation, 3) for use in schedule.engines}
    assert busy == {"npu": 0.7, "cpu": 0.2}  # 35 and 10 of 50 ms
    (timing,) = schedule.networks
    assert (timing.frames, timing.late_frames, timing.alone_ns, timing.worst_latency_ns) == (
        4,
        0,
        45 * MS,
        45 * MS,
    )
    assert schedule.notices == ()


def test_times_are_those_of_the_plans_schemes() -> None:
    item = chain()
    nodes = (NodePrecision("bev.scatter", "float16", "test"),)
    slower = dataclasses.replace(item, plan=PrecisionPlan("bev", nodes, ()))

    schedule = plan(slower, bev=10)

    (first, *_) = runs_of(schedule, "scatter")
    assert first.end_ns - first.start_ns == 20 * MS


def test_an_engine_that_needs_more_than_its_time_is_named_with_a_rate_that_fits() -> None:
    # 60 + 11.5 = 71.5 ms of npu at 20 Hz is 143 %; alone a frame takes 72.5 ms, so 13.79 Hz is the most.
    schedule = plan(chain(npu_ms=60, cpu_ms=1, head_ms=11.5), bev=20)

    assert not schedule.feasible
    text = "\n".join(schedule.notices)
    assert "npu needs 143 % of its time (bev at 20 Hz)" in text
    assert "bev at 20 Hz is late in 4 of 4 frames" in text
    assert "deadline of 50 ms; alone on the chip a frame takes 72.5 ms" in text
    assert "68.9 % of the rates would fit: bev 13.78 Hz" in text
    assert plan(chain(npu_ms=60, cpu_ms=1, head_ms=11.5), bev=13.78).feasible


def test_lateness_is_counted_from_the_deadline() -> None:
    params = ScheduleParams({"bev": Rate(10, deadline_ms=40)})

    schedule = schedule_graphs([chain()], profile=chip(npu=1, cpu=1), params=params)

    (timing,) = schedule.networks
    assert (timing.late_frames, timing.worst_lateness_ns) == (4, 5 * MS)
    assert "no lower rate was found that holds" in schedule.notices[-1]


def test_two_networks_share_an_engine_within_their_hyperperiod() -> None:
    # Periods 50 and 20 ms: the pattern repeats after 100 ms; 2 * 10 + 5 * 8 = 60 ms of work in it.
    slow = work("slow", segment("s", "npu", ["a"], ["b"]), times_ms={"s": 10})
    fast = work("fast", segment("f", "npu", ["c"], ["d"]), times_ms={"f": 8})

    schedule = plan(slow, fast, profile=chip(npu=1), slow=20, fast=50)

    assert schedule.feasible
    assert schedule.hyperperiod_ns == 100 * MS
    assert [timing.frames for timing in schedule.networks] == [4, 10]
    assert schedule.engines[0].utilisation == pytest.approx(0.6)


def test_a_second_engine_of_a_kind_takes_the_second_network() -> None:
    networks = [
        work(name, segment("s", "npu", [f"{name}x"], [f"{name}y"]), times_ms={"s": 40}) for name in "ab"
    ]

    assert not plan(*networks, profile=chip(npu=1), a=20, b=20).feasible
    both = plan(*networks, profile=chip(npu=2), a=20, b=20)
    assert both.feasible
    assert {run.engine_index for run in both.runs} == {0, 1}
    assert "engines run at the same time" in both.notices[-1]


def state_network() -> NetworkWork:
    # early reads the state that late writes: the next frame's early waits for this frame's late.
    return work(
        "bev",
        segment("early", "npu", ["x", "h0"], ["m"]),
        segment("late", "cpu", ["m"], ["y", "h1"]),
        times_ms={"early": 10, "late": 10},
        state=[StatePair("h1", "h0")],
    )


def test_a_reader_of_state_waits_for_the_frame_before() -> None:
    # At 100 Hz frames are released every 10 ms; without state, two in flight would keep that rate.
    params = ScheduleParams({"bev": Rate(100, deadline_ms=30)}, frames_in_flight=2)

    schedule = schedule_graphs([state_network()], profile=chip(npu=1, cpu=1), params=params)

    early, late = runs_of(schedule, "early"), runs_of(schedule, "late")
    assert all(run.start_ns >= before.end_ns for run, before in zip(early[1:], late, strict=False))
    assert [run.start_ns // MS for run in early] == [0, 20, 40, 60]


def test_frames_in_flight_let_frames_overlap() -> None:
    def at(frames_in_flight: int) -> Schedule:
        rates = {"bev": Rate(40, deadline_ms=60)}
        params = ScheduleParams(rates, frames_in_flight=frames_in_flight)
        return schedule_graphs(
            [chain(npu_ms=20, cpu_ms=20, head_ms=1)], profile=chip(npu=1, cpu=1), params=params
        )

    # 41 ms a frame, every 25 ms; the npu works 21 and the cpu 20 ms of them.
    assert not at(1).feasible
    assert at(2).feasible


def test_an_offset_moves_the_first_release() -> None:
    params = ScheduleParams({"bev": Rate(10, offset_ms=7)})

    schedule = schedule_graphs([chain()], profile=chip(npu=1, cpu=1), params=params)

    assert schedule.runs[0].start_ns == schedule.runs[0].release_ns == 7 * MS


def test_a_hyperperiod_that_is_too_long_is_cut_and_said() -> None:
    networks = [
        work(name, segment("s", "npu", [f"{name}x"], [f"{name}y"]), times_ms={"s": 1}) for name in "ab"
    ]

    schedule = plan(*networks, a=29.97, b=20)

    assert schedule.hyperperiod_ns == 100_000 * MS
    assert schedule.horizon_ns == 2_000 * MS
    assert "the rates repeat after 100 s; only the first 2 s are scheduled" in "\n".join(schedule.notices)


def test_thirty_hertz_does_not_drift() -> None:
    releases = [run.release_ns for run in runs_of(plan(chain(npu_ms=1, cpu_ms=1, head_ms=1), bev=30), "head")]

    assert releases == [0, 33_333_333, 66_666_666, 100_000_000]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    params = ScheduleParams({"bev": Rate(0, deadline_ms=-1, offset_ms=-2), "bve": Rate(5)})

    with pytest.raises(InputError) as raised:
        schedule_graphs([chain()], profile=chip(npu=1), params=params)

    text = str(raised.value)
    for part in ("bve: the pipeline has no such network", "did you mean 'bev'", "rate_hz is 0"):
        assert part in text
    for part in ("deadline_ms is -1", "offset_ms is -2", "segment scatter: it is meant for engine 'cpu'"):
        assert part in text


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=3),
    st.lists(st.sampled_from([5.0, 10.0, 20.0, 25.0]), min_size=3, max_size=3),
    st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_any_schedule_keeps_order_and_engines(
    times: list[tuple[int, int, int]], rates: list[float], npus: int
) -> None:
    networks = [chain(f"n{index}", npu_ms=a, cpu_ms=b, head_ms=c) for index, (a, b, c) in enumerate(times)]

    schedule = plan(
        *networks, profile=chip(npu=npus, cpu=1), **{f"n{index}": rates[index] for index in range(len(times))}
    )

    for item in networks:
        own = [run for run in schedule.runs if run.network == item.partition.network]
        frames = sorted(own, key=lambda run: (run.frame, run.start_ns))
        assert all(after.start_ns >= before.end_ns for before, after in pairwise(frames))
    for use in schedule.engines:
        own = sorted(
            (
                run
                for run in schedule.runs
                if (run.engine, run.engine_index) == (use.engine, use.engine_index)
            ),
            key=lambda run: run.start_ns,
        )
        assert all(after.start_ns >= before.end_ns for before, after in pairwise(own))
        assert use.busy_ns == sum(run.end_ns - run.start_ns for run in own)
    assert schedule.feasible == (not any(run.late for run in schedule.runs))
