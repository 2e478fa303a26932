"""A budget, from sensitivity to a plan that was measured, through the command line."""

from __future__ import annotations

from typing import Any

MEASURED = ("--set", "networks.toy.sensitivity={mode: measured, schemes: [w8a8], frames: 4}")
BUDGET = ("--set", "networks.toy.precision={policy: budget, budget: {most_error: 0.01}}")


def test_a_budget_is_planned_measured_and_reported(shell: Any) -> None:
    answer = shell.command("run", "toy.yaml", "--workers", 1, *MEASURED, *BUDGET, "--format", "json")
    assert answer.code == 0, answer.err
    assert "error at w8a8: " in answer.out
    assert "the budget's plan, predicted for its layers: " in answer.out
    assert "the whole plan: predicted error " in answer.out


def test_a_budget_has_the_layers_measured_by_itself(shell: Any) -> None:
    few = "networks.toy.sensitivity={schemes: [w8a8], frames: 2}"
    answer = shell.command("precision", "toy.yaml", "--workers", 1, "--set", few, *BUDGET)
    assert answer.code == 0, answer.err


def test_a_budget_without_errors_and_one_that_none_keeps(shell: Any) -> None:
    off = "networks.toy.sensitivity.mode=off"
    blind = shell.command("precision", "toy.yaml", "--workers", 1, *BUDGET, "--set", off)
    assert blind.code == 2
    assert "set it to measured or estimated" in blind.err
    tight = "networks.toy.precision={policy: budget, budget: {most_error: 0.01, most_time_s: 1.0e-12}}"
    none = shell.command("precision", "toy.yaml", "--workers", 1, *MEASURED, "--set", tight)
    assert none.code == 1
    assert "no plan keeps the budget: error at most 0.01 (the least by itself: 0)" in none.err
