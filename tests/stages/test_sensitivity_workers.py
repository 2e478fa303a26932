"""Tasks in processes of this machine, and on a dask cluster, one worker of which dies."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deploykit.stages.sensitivity.workers import run_all


def test_processes_of_this_machine_run_all_tasks() -> None:
    assert sorted(run_all(abs, [-3, 1, -2], workers=2)) == [1, 2, 3]


def square_or_die(task: tuple[int, str]) -> int:
    """Square a number; whoever is the first to take 3 dies."""
    number, mark = task
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os._exit(1)
    time.sleep(0.05)
    return number * number


@pytest.mark.filterwarnings("ignore")  # dask warns of the worker that is lost, which is the point
def test_a_task_whose_worker_dies_is_run_again(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    mark = str(tmp_path / "died")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        tasks = [(number, mark) for number in range(8)]
        found = sorted(run_all(square_or_die, tasks, workers=2, address=cluster.scheduler_address))
    assert Path(mark).exists()
    assert found == [0, 1, 4, 9, 16, 25, 36, 49]
