"""A slice of the measurement: every fault once, in a made-up activation; all are named and undone."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from benchmarks.diagnosis import is_right, matches, repaired
from benchmarks.diagnosis_cases import Case, made
from benchmarks.diagnosis_faults import FAULTS
from deploykit.align.contract import Contract
from deploykit.align.diagnosis import diagnose

SHAPE = (2, 7, 24, 32)


def _activation() -> NDArray[Any]:
    """Sums of waves with other directions in each channel, cut off below."""
    random = numpy.random.default_rng(3)
    rows, columns = numpy.mgrid[:24, :32]
    planes = []
    for _ in range(14):
        waves = [
            random.uniform(0.2, 1)
            * numpy.sin(
                random.uniform(-0.6, 0.6) * rows + random.uniform(-0.6, 0.6) * columns + random.uniform(0, 6)
            )
            for _ in range(5)
        ]
        planes.append(numpy.maximum(sum(waves), -0.3))
    return numpy.stack(planes).reshape(SHAPE).astype(numpy.float32)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_is_named(fault: str) -> None:
    case = made(fault, (FAULTS[fault],), _activation(), numpy.random.default_rng(1))
    assert case is not None
    answer = diagnose(case.reference, case.board, case.declared, context=case.context)
    assert is_right(answer, case), f"expected {case.expected}, got {answer.verdict}: {answer.text}"
    assert repaired(answer, case) is not False


def test_an_answer_with_one_cause_too_many_or_too_few_is_wrong() -> None:
    zeros = numpy.zeros((1, 1), numpy.float32)
    wanted = (frozenset({"layout"}), frozenset({"layout", "transpose"}))
    case = Case("two", zeros, b"", Contract((1, 1)), wanted)
    assert matches(["transpose", "layout"], case)
    assert not matches(["layout"], case)
    assert not matches(["layout", "transpose", "scale"], case)
    assert not matches(["transpose", "transpose"], case)
