"""`deploykit assess --work`: how far a pipeline is, through the real command line."""

from __future__ import annotations

import json
from typing import Any

import pytest


def areas(shell: Any, *words: str) -> dict[str, dict[str, Any]]:
    answer = shell.command("assess", "--work", "toy.yaml", *words, "--format", "json")
    assert answer.code == 0, answer.err
    (network,) = json.loads(answer.out)[0]["networks"]
    return {item["area"]: item for item in network["items"]}


def test_before_a_run_everything_is_to_do(shell: Any) -> None:
    found = areas(shell)
    assert {item["state"] for item in found.values()} == {"to do"}
    assert list(found) == [
        "export and split",
        "handoff",
        "compile",
        "input alignment",
        "output alignment",
        "simulator alignment",
        "clip alignment",
        "quantization",
        "memory",
        "scheduling",
        "pre- and post-processing",
        "tuning",
        "SDK",
    ]


def test_a_run_leaves_what_only_a_board_can_do(shell: Any) -> None:
    shell.command("run", "toy.yaml")
    found = areas(shell)
    assert found["export and split"]["state"] == "done"
    assert found["input alignment"]["evidence"] == "1 of 1 inputs have a contract"
    assert "state: next_memory is carried from frame to frame" in found["export and split"]["risks"]
    assert found["memory"]["state"] == found["scheduling"]["state"] == "done"
    assert found["pre- and post-processing"]["evidence"] == "the task is random data"
    for area in ("handoff", "compile", "simulator alignment", "tuning", "SDK"):
        assert found[area]["state"] == "to do"
        assert "no step of the pipeline records it" in found[area]["evidence"]


def test_a_tolerance_that_is_missed_is_a_failure_with_a_place_to_begin(shell: Any) -> None:
    strict = '    compare: {tolerances: [{match: "*", sqnr_db: 200}]}\n    export:'
    shell.pipeline.write_text(shell.pipeline.read_text().replace("    export:", strict))
    assert shell.command("run", "toy.yaml").code == 1
    found = areas(shell)
    assert found["quantization"]["state"] == "failed"
    assert found["quantization"]["next"].startswith("begin at ")


def test_a_rate_that_does_not_hold_is_a_failure(shell: Any) -> None:
    shell.pipeline.write_text(shell.pipeline.read_text().replace("rate_hz: 20", "rate_hz: 100000000"))
    shell.command("run", "toy.yaml")
    item = areas(shell)["scheduling"]
    assert item["state"] == "failed"
    assert "--advice" in item["next"]


def test_a_step_that_stopped_the_last_run_is_failed_with_its_message(shell: Any) -> None:
    shell.command("run", "toy.yaml", "--to", "split")
    text = shell.pipeline.read_text().replace(
        "    export:", "    precision: {exceptions: [{match: nothing*, scheme: float}]}\n    export:"
    )
    shell.pipeline.write_text(text)
    assert shell.command("run", "toy.yaml").code == 2
    item = areas(shell)["quantization"]
    assert item["state"] == "failed"
    assert "toy.precision failed: " in item["evidence"]
    assert "matches no segment and no node" in item["evidence"]


def test_days_are_the_users_and_only_what_is_open_is_summed(shell: Any) -> None:
    shell.command("run", "toy.yaml")
    (shell.folder / "days.yaml").write_text("toy: {memory: 5, compile: 2, SDK: 1.5}\n")
    assert areas(shell, "--days", "days.yaml")["compile"]["days"] == 2
    answer = shell.command("assess", "--work", "toy.yaml", "--days", "days.yaml")
    assert "3.50 days as you gave them" in answer.out
    assert max(len(line.rstrip()) for line in answer.out.splitlines()) <= 100


def test_every_fault_of_the_days_is_told(shell: Any) -> None:
    (shell.folder / "days.yaml").write_text("toy: {memmory: 5, compile: -2}\ntoi: {}\n")
    answer = shell.command("assess", "--work", "toy.yaml", "--days", "days.yaml")
    assert answer.code == 2
    assert "days.yaml:1:7: toy.memmory: no such area, did you mean 'memory'?" in answer.err
    assert "toy.compile: -2 is no number of days" in answer.err
    assert "toi: no such network, did you mean 'toy'?" in answer.err


@pytest.mark.parametrize("words", [("toy.onnx", "--work", "toy.yaml"), (), ("toy.onnx",)])
def test_models_or_a_pipeline(shell: Any, words: tuple[str, ...]) -> None:
    assert shell.command("assess", *words).code == 2


def test_the_page_of_a_run_says_what_would_make_it_faster(shell: Any) -> None:
    answer = shell.command("run", "toy.yaml")
    page = (shell.folder / answer.out.split("report: ")[1].strip()).read_text()
    assert "What would make it faster" in page
    assert "Bandwidth 30.3 GB/s: " in page
