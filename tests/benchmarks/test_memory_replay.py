"""Random networks run inside their planned memory bit for bit, and faults planted into plans are caught."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers

from benchmarks.memory_cases import random_case
from benchmarks.memory_faults import planted
from benchmarks.memory_replay import (
    copies_of,
    executed,
    holds_in_any_order,
    planned,
    random_timetable,
    same_as_segments,
    shared_block,
)
from deploykit.analysis.block_replay import replay_feature
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace

FEW = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FEW
@given(seed=integers(100_000, 1_000_000))
def test_random_networks_are_bit_equal_and_a_planted_fault_is_caught(tmp_path: Path, seed: int) -> None:
    workspace = Workspace(Store(tmp_path / "store"))
    case = random_case(seed, workspace)
    plan = planned(case)

    run = executed(case, plan, workspace)

    assert run.faults == ()
    assert run.bit_equal
    assert same_as_segments(case, run, workspace)
    assert holds_in_any_order(case, plan, seed, workspace)
    fault = planted(case.partition, plan, run.last_frame, random.Random(seed))
    if fault is not None:
        broken = executed(case, fault.plan, workspace)
        assert broken.faults or not broken.bit_equal, fault.what


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=integers(0, 1_000_000))
def test_a_shared_block_holds_with_the_copies_of_its_schedule_and_not_with_fewer(seed: int) -> None:
    schedule = random_timetable(seed)
    copies = copies_of(schedule)

    assert replay_feature(shared_block(schedule, copies), schedule) == ()
    assert copies == 1 or replay_feature(shared_block(schedule, copies - 1), schedule)
