"""Shows on stderr what a run does: bars on a terminal, a line a step elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from deploykit.pipeline.runner import StepOutcome

Item = TypeVar("Item")


class LineWatcher:
    """Writes a line when a step has run; unchanged steps are counted in one line at the end."""

    def __init__(self) -> None:
        self.cached = 0

    def started(self, step: str, why: str) -> None:
        """Say nothing yet: lines come with their times."""

    def finished(self, outcome: StepOutcome) -> None:
        """Write what became of a step."""
        if outcome.state == "ran":
            print(f"{outcome.step:<24} {outcome.seconds:7.1f} s  {outcome.why}", file=sys.stderr, flush=True)
        self.cached += outcome.state == "cached"

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Pass the items on."""
        del label, total
        yield from items


class BarWatcher(LineWatcher):
    """Shows the step that runs, and a bar for what it is working through."""

    def __init__(self, progress: Any) -> None:
        super().__init__()
        self._progress = progress
        self._step: Any = None

    def started(self, step: str, why: str) -> None:
        """Show the step's name with a turning sign."""
        self._step = self._progress.add_task(step, total=None)

    def finished(self, outcome: StepOutcome) -> None:
        """Leave a line for a step that ran."""
        if self._step is not None:
            self._progress.remove_task(self._step)
            self._step = None
        if outcome.state == "ran":
            line = f"{outcome.step:<24} {outcome.seconds:7.1f} s  {outcome.why}"
            self._progress.console.print(line, markup=False, highlight=False)
        self.cached += outcome.state == "cached"

    def track(self, items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        """Pass the items on and move a bar."""
        task = self._progress.add_task(f"  {label}", total=total)
        try:
            for item in items:
                yield item
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)


@contextlib.contextmanager
def watching() -> Iterator[LineWatcher]:
    """Give the watcher that suits stderr."""
    if not sys.stderr.isatty():
        yield LineWatcher()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield BarWatcher(progress)
