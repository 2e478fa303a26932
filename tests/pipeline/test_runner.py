"""The runner: the cache, its reasons, and what a killed or failed run leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any, Protocol

import pytest

from deploykit.core.errors import EnvironmentFault, InputError
from deploykit.pipeline.plan import plan_steps
from deploykit.pipeline.run import locked
from deploykit.pipeline.runner import Artifacts, RunState
from deploykit.pipeline.steps import Selection

ALL = ["a.number", "a.scale", "b.number", "b.scale", "total"]


class BenchLike(Protocol):
    folder: Path
    factors: dict[str, float]
    bandwidth: float
    calls: list[str]
    store: Any
    records: Any

    def context(self) -> Any: ...
    def run(self, selection: Selection = ...) -> tuple[Artifacts, RunState]: ...
    def states(self, selection: Selection = ...) -> dict[str, str]: ...


def made(artifacts: Artifacts, step: str) -> Any:
    value = artifacts.get(step)
    assert value is not None
    return value


def whys(state: RunState) -> dict[str, str]:
    return {outcome.step: outcome.why for outcome in state.outcomes}


def test_the_first_run_does_all_and_the_second_nothing(bench: BenchLike) -> None:
    artifacts, state = bench.run()
    assert made(artifacts, "total").value == 3 * 2 + 5 * 2
    assert [outcome.step for outcome in state.outcomes] == ALL
    assert set(whys(state).values()) == {"never run here"}
    bench.calls.clear()
    artifacts, state = bench.run()
    assert bench.calls == []
    assert {outcome.state for outcome in state.outcomes} == {"cached"}
    assert made(artifacts, "total").value == 16


def test_a_changed_option_runs_what_depends_on_it_and_says_so(bench: BenchLike) -> None:
    bench.run()
    bench.factors["b"] = 3.0
    bench.calls.clear()
    artifacts, state = bench.run()
    assert made(artifacts, "total").value == 3 * 2 + 5 * 3
    assert bench.calls == ["scale", "add_up"]
    assert whys(state)["b.scale"] == "params.factor: 2.0 -> 3.0"
    assert whys(state)["total"] == "b.scale gave another result"


def test_a_changed_file_is_seen_and_a_touched_one_is_not(bench: BenchLike) -> None:
    bench.run()
    os.utime(bench.folder / "a.txt")
    assert set(bench.states().values()) == {"cached"}
    (bench.folder / "a.txt").write_text("4")
    artifacts, state = bench.run()
    assert made(artifacts, "total").value == 18
    assert whys(state)["a.number"] == "a.txt changed"
    assert whys(state)["b.number"] == "unchanged"


def test_an_equal_result_stops_the_wave(bench: BenchLike) -> None:
    bench.run()
    (bench.folder / "a.txt").write_text("3.0")
    bench.run()
    bench.factors = {"a": 2.0, "b": 2.0}
    (bench.folder / "a.txt").write_text("3")
    assert set(bench.states().values()) == {"cached"}


def test_the_profile_counts_only_where_a_stage_reads_it(bench: BenchLike) -> None:
    bench.run()
    bench.bandwidth = 2e9
    _, state = bench.run()
    ran = [outcome.step for outcome in state.outcomes if outcome.state == "ran"]
    assert ran == ["a.scale", "b.scale"]
    assert whys(state)["a.scale"] == "profile.dram.bandwidth_bytes_per_s.value: 1000000000.0 -> 2000000000.0"


def test_a_file_that_left_the_cache_is_made_again(bench: BenchLike) -> None:
    artifacts, _ = bench.run()
    bench.store.path(made(artifacts, "a.number").file).unlink()
    _, state = bench.run()
    assert [outcome.step for outcome in state.outcomes if outcome.state == "ran"] == ["a.number"]
    assert whys(state)["a.number"] == "its files are gone from the cache"


def test_a_range_runs_its_steps_alone(bench: BenchLike) -> None:
    states = bench.states(Selection(last="scale"))
    assert states == {**dict.fromkeys(ALL, "ran"), "total": "skipped"}
    assert bench.states(Selection(first="total"))["total"] == "ran"
    bench.factors["a"] = 7.0
    with pytest.raises(
        InputError, match=r"total: it reads a\.scale, which the cache lacks or holds for other"
    ):
        bench.run(Selection(only=("total",)))
    assert bench.states(Selection(only=("a.scale",)))["a.scale"] == "ran"


def test_forced_steps_run_again(bench: BenchLike) -> None:
    bench.run()
    assert bench.states(Selection(force=("scale",))) == {
        **dict.fromkeys(ALL, "cached"),
        "a.scale": "ran",
        "b.scale": "ran",
    }
    assert set(bench.states(Selection(force=("all",))).values()) == {"ran"}


def test_unknown_steps_are_told_all_at_once(bench: BenchLike) -> None:
    with pytest.raises(InputError) as caught:
        bench.run(Selection(first="scal", last="b.nummer"))
    assert [str(fault) for fault in caught.value.faults] == [
        "scal: no such step, did you mean 'scale'?",
        "b.nummer: no such step, did you mean 'b.number'?",
    ]


def test_a_failed_step_is_not_cached(bench: BenchLike) -> None:
    (bench.folder / "b.txt").write_text("five")
    with pytest.raises(ValueError, match="could not convert"):
        bench.run()
    bench.calls.clear()
    with pytest.raises(ValueError, match="could not convert"):
        bench.run()
    assert bench.calls == ["read_number"]
    (bench.folder / "b.txt").write_text("5")
    assert made(bench.run()[0], "total").value == 16


def test_a_plan_says_why_and_writes_nothing(bench: BenchLike) -> None:
    bench.run()
    bench.factors["a"] = 9.0
    before = sorted((path, path.stat().st_mtime_ns) for path in bench.folder.rglob("*"))
    planned = plan_steps(bench.context(), bench.records, Selection())
    assert [(step.step, step.action, step.why) for step in planned] == [
        ("a.number", "cached", "unchanged"),
        ("a.scale", "run", "params.factor: 2.0 -> 9.0"),
        ("b.number", "cached", "unchanged"),
        ("b.scale", "cached", "unchanged"),
        ("total", "maybe", "after a.scale"),
    ]
    assert sorted((path, path.stat().st_mtime_ns) for path in bench.folder.rglob("*")) == before


def test_two_runs_cannot_hold_one_folder(bench: BenchLike) -> None:
    with locked(bench.store):
        child = multiprocessing.get_context("fork").Process(target=_try_to_lock, args=(bench,))
        child.start()
        child.join()
    assert child.exitcode == 7
    with locked(bench.store):
        pass


def _try_to_lock(bench: BenchLike) -> None:
    try:
        with locked(bench.store):
            os._exit(0)
    except EnvironmentFault as error:
        os._exit(7 if f"process {os.getppid()}" in str(error) else 8)


@pytest.mark.parametrize("moment", range(12))
def test_a_run_that_is_killed_at_any_write_ends_the_same_when_run_again(
    bench: BenchLike, moment: int
) -> None:
    child = multiprocessing.get_context("fork").Process(target=_run_until_killed, args=(bench, moment))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    with locked(bench.store):
        artifacts, state = bench.run()
    assert made(artifacts, "total").value == 16
    assert not (bench.store.root / "tmp").exists() or not list((bench.store.root / "tmp").iterdir())
    fresh = {"a.number": 3.0, "a.scale": 6.0, "b.number": 5.0, "b.scale": 10.0, "total": 16.0}
    assert {step: made(artifacts, step).value for step in fresh} == fresh
    assert len(state.outcomes) == 5


def _run_until_killed(bench: BenchLike, moment: int) -> None:
    real, count = os.replace, iter(range(10_000))

    def replace(source: Any, target: Any) -> None:
        if next(count) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)

    os.replace = replace  # type: ignore[assignment]  # only in this child, which ends here
    with locked(bench.store):
        bench.run()
    os._exit(0)
