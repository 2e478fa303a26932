"""Run a toolchain's driver: a script for another Python, a request as JSON in, an answer as JSON out.

The driver is called as `python -I driver.py REQUEST ANSWER`. It writes ANSWER last: an exit code of 0 without
one is a failure too. A driver that knows what went wrong writes `{"failed": "sentence"}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploykit.core.errors import input_error
from deploykit.core.process import LAST_LINES, Finished, run_program
from deploykit.toolchains.install import CLEAN
from deploykit.toolchains.protocol import Environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")

HINTS = {
    "No space left on device": "free some space on the disk of {folder}",
    "std::bad_alloc": "the memory does not suffice: make the segment or the batch smaller",
    "MemoryError": "the memory does not suffice: make the segment or the batch smaller",
}
"""What the output holds, and what to try; a toolchain's own come first."""


def run_driver(
    driver: Path,
    request: Mapping[str, Any],
    environment: Environment,
    *,
    where: str,
    folder: Path,
    label: str,
    time_limit_s: float,
    hints: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], str]:
    """Run a driver in `folder`; gives its answer and all that it printed (kept in LABEL.log).

    `where` names toolchain and segment for messages. `hints` maps a part of the output to what can be done.

    Raises:
        InputError: it crashed, was not done in time, said that it failed, or gave no answer.
    """
    asked, answered = folder / f"{label}.request.json", folder / f"{label}.answer.json"
    asked.write_text(json.dumps(dict(request)), encoding="utf-8")
    answered.unlink(missing_ok=True)
    done = run_program(
        [str(environment.python), "-I", str(driver), str(asked), str(answered)],
        folder,
        output=folder / f"{label}.log",
        time_limit_s=time_limit_s,
        environment={**CLEAN, **(variables or {})},
    )
    text = COLOUR.sub("", done.text())
    answer = _answer(answered)
    if done.code == 0 and answer is not None and "failed" not in answer:
        return answer, text
    what = done.how if answer is None else str(answer.get("failed", done.how))
    if done.code is None and not done.error:
        what += f", the limit is {time_limit_s:g} s (`time_limit_s`)"
    elif done.code == 0 and answer is None:
        what = "ended with code 0, but without a result"
    raise input_error(where, f"{label}: {what}", _advice(done, text, folder, hints or {}))


def _answer(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):  # not written, or cut off by a full disk
        return None
    return found if isinstance(found, dict) else None


def _advice(done: Finished, text: str, folder: Path, hints: Mapping[str, str]) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()][-LAST_LINES:]
    shown = f" (it ends: {' | '.join(lines)})" if lines else ""
    hint = next((hint for mark, hint in {**hints, **HINTS}.items() if mark in text), "")
    kept = f"its output is in {done.output}{shown}"
    return f"{hint.format(folder=folder)}; {kept}" if hint else kept
