"""What happens when the compiler fails: tried once more, or told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Segment
from deploykit.core.errors import InputError, input_error
from deploykit.toolchains import vela
from deploykit.toolchains.plan_files.source import SegmentPlan
from deploykit.toolchains.protocol import Environment, Job

NOWHERE = Environment(Path("nowhere"), Path("nowhere/python"))


def job(**options: str) -> Job:
    segment = Segment("net", (), GraphInfo("net", 17, (), (), (), ()), "npu", "test")
    plan = SegmentPlan(segment, {}, ())
    return Job("net", segment, Path("x"), Path("q"), plan, "ethos-u65-512", Path("c"), Path("f"), options)


def failing(*strategies: str) -> Any:
    """Give a driver that fails under these strategies."""

    def run(
        job: Job, environment: Environment, request: Mapping[str, Any], label: str
    ) -> tuple[dict[str, object], str]:
        strategy = request["arguments"][-1]
        if strategy in strategies:
            raise input_error("vela", f"{label}: ended by SIGSEGV under {strategy}")
        return {"binary": "net_vela.tflite"}, f"log of {strategy}"

    return run


def test_a_crash_is_tried_again_under_the_other_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vela, "_run", failing("Performance"))
    _, log, notices = vela._compiled(job(), NOWHERE, {"arguments": []})
    assert log == "log of Size"
    assert notices == ("Vela failed under its strategy Performance (see compile.log): compiled under Size",)


def test_a_strategy_of_the_users_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vela, "_run", failing("Performance"))
    with pytest.raises(InputError, match="SIGSEGV under Performance"):
        vela._compiled(job(optimise="Performance"), NOWHERE, {"arguments": []})


def test_the_first_failure_is_told_where_both_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vela, "_run", failing("Performance", "Size"))
    with pytest.raises(InputError, match="compile: ended by SIGSEGV under Performance"):
        vela._compiled(job(), NOWHERE, {"arguments": []})
