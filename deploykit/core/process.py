"""A foreign program: a list of arguments, its own folder, a time limit, its output kept. No shell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAST_LINES = 5


@dataclass(frozen=True)
class Finished:
    """How a program ended.

    `code` is its exit code, negative for a signal as `subprocess` gives it, None where it did not end within
    the time limit, or did not start (`error` then says why). `output` is the file with all that it printed.
    """

    code: int | None
    seconds: float
    output: Path
    error: str = ""

    @property
    def how(self) -> str:
        """Say in words how it ended."""
        if self.error:
            return self.error
        if self.code is None:
            return f"not done after {self.seconds:.0f} s"
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-self.code).name}"
        return f"ended with code {self.code}"

    def text(self) -> str:
        """Give what it printed."""
        return self.output.read_text("utf-8", errors="replace")

    @property
    def kept(self) -> str:
        """Say where its output is, and how that ends."""
        lines = [line for line in self.text().splitlines() if line.strip()][-LAST_LINES:]
        shown = f" (it ends: {' | '.join(lines)})" if lines else ""
        return f"its output is in {self.output}{shown}"


def run_program(
    arguments: Sequence[str],
    folder: Path,
    *,
    output: Path,
    time_limit_s: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program in a folder; whatever it starts ends with it. `environment` is added to ours."""
    begun = time.monotonic()
    with output.open("wb") as stream:
        try:
            process = subprocess.Popen(
                list(arguments),
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Finished(
                None, 0.0, output, f"{arguments[0]!r} cannot be started: {error.strerror or error}"
            )
        code: int | None = None
        try:
            code = process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Finished(code, time.monotonic() - begun, output)
