"""Several dumps in order: the step that broke is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab

NAMES = ("a", "b", "c")


def dumps(lab: Lab, errors: dict[str, tuple[float, float, float]]) -> None:
    """Write a reference, and dumps whose tensors lie so far from the one before (relative)."""
    for at, name in enumerate(NAMES):
        values = feature_map(1, 3, 8, 8, seed=at).astype(numpy.float64)
        lab.save(f"ref/{name}.npy", values)
        for number, (folder, error) in enumerate(
            zip(errors, numpy.array(list(errors.values()))[:, at], strict=True)
        ):
            noise = feature_map(1, 3, 8, 8, seed=100 * number + at)
            values = values + noise * error * numpy.linalg.norm(values) / numpy.linalg.norm(noise)
            lab.save(f"{folder}/{name}.npy", values)


def chain(lab: Lab) -> tuple[str, ...]:
    return (
        "--between",
        f"int8={lab.folder / 'int8'}",
        "--between",
        f"sim={lab.folder / 'sim'}",
        "--no-diagnosis",
    )


def test_the_largest_step_is_named_with_its_first_tensor(lab: Lab) -> None:
    dumps(lab, {"int8": (0.02, 0.03, 0.04), "sim": (0.0, 0.001, 0.001), "board": (0.001, 0.5, 0.6)})
    answer = lab.diff(*chain(lab), "--format", "json")
    assert answer.code == 1
    first, second, third = answer.result["steps"]
    assert [first["median"], second["median"], third["median"]] == pytest.approx([0.03, 0.001, 0.5], rel=1e-3)
    assert (third["failed"], third["jumps"], first["failed"]) == (["b", "c"], ["b", "c"], [])
    text = lab.diff(*chain(lab)).out
    assert "the step that broke: sim -> board: 2 of 3 tensors miss their limits, the first is b" in text


def test_no_step_breaks_where_all_pass(lab: Lab) -> None:
    dumps(lab, {"int8": (0.02, 0.03, 0.04), "sim": (0.0, 0.0, 0.0), "board": (0.0, 0.0, 0.0)})
    answer = lab.diff(*chain(lab))
    assert answer.code == 0
    assert "the step that broke: no step alone misses a limit" in answer.out


def test_labels(lab: Lab) -> None:
    dumps(lab, {"board": (0.0, 0.0, 0.0)})
    assert "--between: 'x' is no LABEL=DUMP" in lab.diff("--between", "x").err
    same = f"board={lab.folder / 'board'}"
    assert lab.diff("--between", same).code == 2
