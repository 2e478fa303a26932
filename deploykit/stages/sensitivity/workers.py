"""Where tasks run: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from typing import TypeVar

from deploykit.core.errors import input_error

Given = TypeVar("Given")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Given], Result], tasks: Sequence[Given], *, workers: int, address: str = ""
) -> Iterator[Result]:
    """Run a function on all tasks and give the results as they come.

    `address` is a dask scheduler's; without one, processes of this machine, or this process for one worker.

    Raises:
        InputError: an address without the extra `[cluster]`, or at which no scheduler answers.
    """
    if not address and (workers <= 1 or len(tasks) <= 1):
        yield from map(function, tasks)
        return
    with _executor(workers, address) as executor:
        for future in as_completed([executor.submit(function, task) for task in tasks]):
            yield future.result()


@contextlib.contextmanager
def _executor(workers: int, address: str) -> Iterator[Executor]:
    if not address:
        # "spawn": a forked child would inherit the locks of onnxruntime's threads in whatever state they are
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise input_error(
            "sensitivity.executor", "dask.distributed is not installed", "pip install 'deploykit[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=10)
    except OSError as error:
        raise input_error("sensitivity.executor", f"no scheduler answers at {address}: {error}") from error
    with client:
        # a task is a pure function of files: the scheduler runs it again where a worker died
        yield client.get_executor(pure=False)
