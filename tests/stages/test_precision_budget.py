"""Plans under a budget: the solver's choice, its front, and the whole plan measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.artifacts.costs import CostReport, NodeCost, SchemeCost
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan, Scheme
from deploykit.artifacts.sensitivity import LayerSensitivity, SchemeError, Sensitivity
from deploykit.core.errors import FindingError, InputError
from deploykit.stages.precision import Budget, PrecisionParams, plan_precision
from deploykit.stages.precision.repair import repaired_plan
from deploykit.stages.sensitivity import SensitivityParams, measure_sensitivity
from deploykit.tasks.protocol import Clip

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

CHAIN = """g (float[1,32,6,6] x) => (float[1,32,6,6] c)
{
    a = Conv (x, u)
    b = Conv (a, v)
    c = Conv (b, w)
}"""
SCHEMES: tuple[Scheme, ...] = ("w8a8", "w4a8", "float16")
TIMES_US = {"a": (10, 6, 20), "b": (10, 9, 20), "c": (10, 5, 20)}
"""At w8a8, w4a8 and float16."""


@pytest.fixture
def chain(bench: Bench) -> Partition:
    """Give three convolutions."""
    draw = numpy.random.default_rng(0)
    weights = {name: draw.standard_normal((32, 32, 1, 1)).astype(numpy.float32) / 6 for name in "uvw"}
    return bench.whole(bench.model(CHAIN, **weights))


def costs(partition: Partition) -> CostReport:
    nodes = tuple(
        NodeCost(
            node,
            "Conv",
            "whole",
            "npu",
            1,
            0,
            1024,
            1,
            1,
            tuple(
                SchemeCost(scheme, size, 0, 0, 1.0, "compute", time * 1e-6)
                for scheme, time, size in zip(SCHEMES, times, (1024, 512, 2048), strict=True)
            ),
        )
        for node, times in TIMES_US.items()
    )
    return CostReport(partition.network, "chip", nodes, ())


def errors(**by_layer: tuple[float, float]) -> Sensitivity:
    layers = tuple(
        LayerSensitivity(name, (name,), (SchemeError("w8a8", eight), SchemeError("w4a8", four)))
        for name, (eight, four) in by_layer.items()
    )
    return Sensitivity("net", "measured", "noise", 4, layers, (), ("c",))


FOUND = errors(a=(1e-4, 4e-4), b=(1e-4, 2e-4), c=(1e-4, 9e-4))


def plan(bench: Bench, chain: Partition, budget: Budget, sensitivity: Sensitivity = FOUND) -> PrecisionPlan:
    params = PrecisionParams(policy="budget", budget=budget)
    return plan_precision(chain, costs(chain), sensitivity, profile=bench.profile(*SCHEMES), params=params)


def test_least_time_within_an_error(bench: Bench, chain: Partition) -> None:
    # At w8a8 all: 30 us, error 3e-4. 4 bits save 4, 1 and 5 us for 3e-4, 1e-4 and 8e-4 more: a and b fit 7e-4,
    # a alone saves 4 of 5.
    found = plan(bench, chain, Budget(most_error=7e-4))
    assert found.scheme_of() == {"a": "w4a8", "b": "w4a8", "c": "w8a8"}
    tradeoff = found.tradeoff
    assert tradeoff is not None
    assert (tradeoff.status, tradeoff.layers) == ("optimal", ("a", "b", "c"))
    assert tradeoff.chosen.time_s == tradeoff.objective == tradeoff.lower_bound == pytest.approx(25e-6)
    assert tradeoff.chosen.error == pytest.approx(7e-4)
    assert tradeoff.chosen.weight_bytes == 512 + 512 + 1024


def test_the_front_is_kept(bench: Bench, chain: Partition) -> None:
    tradeoff = plan(bench, chain, Budget(most_error=7e-4)).tradeoff
    assert tradeoff is not None
    assert tradeoff.front_is_whole
    fastest, exact = tradeoff.front[0], tradeoff.front[-1]
    assert (fastest.schemes, exact.schemes) == (("w4a8",) * 3, ("float16",) * 3)
    assert exact.error == 0
    pairs = [(point.time_s, -point.error) for point in tradeoff.front]
    assert pairs == sorted(pairs)


def test_every_point_of_the_front_can_be_taken(bench: Bench, chain: Partition) -> None:
    front = plan(bench, chain, Budget(most_error=7e-4)).tradeoff
    assert front is not None
    for index, point in enumerate(front.front):
        found = plan(bench, chain, Budget(most_error=7e-4, point=index)).tradeoff
        assert found is not None
        assert (found.chosen.time_s, found.chosen.error) == (point.time_s, point.error)
        assert (found.status, found.front) == ("optimal", front.front)
    with pytest.raises(InputError, match=f"there is no point {len(front.front)}, the front has"):
        plan(bench, chain, Budget(point=len(front.front)))


def test_least_error_within_time_and_size(bench: Bench, chain: Partition) -> None:
    found = plan(bench, chain, Budget(minimise="error", most_time_s=29e-6))
    # one of the three at 4 bits: b costs the least error for its 1 us
    assert found.scheme_of() == {"a": "w8a8", "b": "w4a8", "c": "w8a8"}
    small = plan(bench, chain, Budget(minimise="size", most_error=5e-4)).tradeoff
    assert small is not None
    assert small.chosen.weight_bytes == 512 + 1024 + 1024


def test_no_plan_is_a_finding_with_what_can_be_had(bench: Bench, chain: Partition) -> None:
    with pytest.raises(FindingError, match=r"time at most 1e-05 \(the least by itself: 2e-05\)"):
        plan(bench, chain, Budget(minimise="error", most_time_s=10e-6))


def test_errors_have_to_be_measured(bench: Bench, chain: Partition) -> None:
    nothing = Sensitivity("net", "off", "noise", 0, (), ())
    with pytest.raises(InputError, match=r"leave sensitivity\.mode out, or set it to measured"):
        plan(bench, chain, Budget(), nothing)
    with pytest.raises(InputError, match="set most_time_s or most_weight_bytes"):
        plan(bench, chain, Budget(minimise="error"))


def test_a_plan_that_errs_more_than_its_sum_is_repaired(bench: Bench, chain: Partition) -> None:
    frames = numpy.random.default_rng(3).standard_normal((4, 1, 32, 6, 6)).astype(numpy.float32)
    clips = (Clip("clip", tuple({"x": frame} for frame in frames)),)
    seen = measure_sensitivity(
        chain, clips, params=SensitivityParams("measured", ("w8a8", "w4a8")), workspace=bench.workspace
    )
    # told a tenth of the errors, the first plan takes far too few bits
    hidden = tuple(
        dataclasses.replace(
            layer, errors=tuple(dataclasses.replace(item, error=item.error / 10) for item in layer.errors)
        )
        for layer in seen.layers
    )
    wrong = dataclasses.replace(seen, layers=hidden, whole=())
    eight = next(item.error for item in seen.whole if item.scheme == "w8a8")
    params = PrecisionParams(policy="budget", budget=Budget(most_error=2 * eight))
    found = repaired_plan(
        chain,
        costs(chain),
        wrong,
        clips,
        profile=bench.profile(*SCHEMES),
        params=params,
        workspace=bench.workspace,
    )
    assert found.tradeoff is not None
    assert found.tradeoff.measured_error is not None
    assert found.tradeoff.measured_error <= 2 * eight
    assert "; then predicted error" in found.notices[-1]
