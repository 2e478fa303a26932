"""Plans that follow from a chip's rooflines, from thresholds, and from what may be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.analysis.roofline import cost_nodes, roofs
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import InputError
from deploykit.core.profile import (
    ChipProfile,
    DramProfile,
    EngineProfile,
    OnChipProfile,
    Quantity,
    SchemeOffer,
)
from deploykit.stages.precision import PrecisionParams, SchemeException, Thresholds, plan_precision

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

NET = """g (float[1,64,8,8] x) => (float[1,1000] y)
{
    features = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w)
    bounded = Relu (features)
    pooled = GlobalAveragePool (bounded)
    flat = Flatten (pooled)
    y = Gemm (flat, v)
}"""
# Conv: 2 x 36864 x 64 = 4.72 M operations. Bytes at w4a16: 18432 of weights + 2 x 2 x 4096 = 34816, so 136
# operations a byte, and weights are 53 % of it; at w4a8 26624 bytes; at w8a8 45056, so 105 a byte.
# Gemm: 128000 operations on 32000 bytes of 4-bit weights and 2128 of 16-bit activations: 3.75 a byte.

RESIDUAL = """g (float[1,64,8,8] x, float[1,64,8,8] before) => (float[1,64,8,8] y, float[1,64,8,8] memory)
{
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w)
    b = Conv (before, u)
    memory = Add (a, b)
    y = Conv (memory, u)
}"""


def zeros(*shape: int) -> NDArray[Any]:
    return numpy.zeros(shape, numpy.float32)


def chip(bandwidth: float, *, count: int = 1, four_bits: bool = True) -> ChipProfile:
    """Make a chip of 1 TOPS an engine at 8-bit activations and half of it at 16 bits."""
    peaks = {name: Quantity(peak, "test") for name, peak in (("w8a8", 1e12), ("float16", 5e11))}
    packed = (
        SchemeOffer("w4a8", "w8a8", (32,)),
        SchemeOffer("w4a16", "float16", (64, 128)),
    )
    engine = EngineProfile("npu", "npu", count, peaks, ("*",), schemes=packed if four_bits else ())
    dram = DramProfile(Quantity(bandwidth, "test"))
    return ChipProfile("chip", "Test chip", (engine,), "npu", dram, OnChipProfile(Quantity(1e6, "test")))


def costs(partition: Partition, profile: ChipProfile) -> CostReport:
    nodes = tuple(
        cost
        for segment in partition.segments
        for cost in cost_nodes(segment.graph, profile, segment=segment.name)
    )
    return CostReport(partition.network, "chip", nodes, roofs(profile))


def plan(partition: Partition, profile: ChipProfile, params: PrecisionParams) -> PrecisionPlan:
    return plan_precision(partition, costs(partition, profile), profile=profile, params=params)


def reason(found: PrecisionPlan, node: str) -> str:
    return next(item.reason for item in found.nodes if item.node == node)


@pytest.fixture
def net(bench: Bench) -> Partition:
    """Give a convolution that reuses its weights 64 times, and a Gemm that uses each once."""
    return bench.whole(bench.model(NET, w=zeros(64, 64, 3, 3), v=zeros(64, 1000)))


@pytest.fixture
def residual(bench: Bench) -> Partition:
    """Give a sum of two convolutions that is the next frame's input."""
    proto = bench.model(RESIDUAL, w=zeros(64, 64, 3, 3), u=zeros(64, 64, 1, 1))
    return bench.whole(proto, state=[StatePair("memory", "before")])


@pytest.mark.parametrize(
    ("bandwidth", "conv", "gemm"),
    [
        (1e9, "w4a16", "w4a16"),  # ridge at w4a16: 500: both wait for memory
        (5e9, "w4a8", "w4a16"),  # ridges 100 and 200: the conv computes at w4a16 and waits at w4a8
        (1e11, "w8a8", "w4a16"),  # ridges 5 and 10: the conv computes; fewer weight bits would gain nothing
    ],
)
def test_chips_of_different_balance_get_different_plans(
    net: Partition, bandwidth: float, conv: str, gemm: str
) -> None:
    found = plan(net, chip(bandwidth), PrecisionParams(policy="arithmetic_intensity"))
    schemes = found.scheme_of()
    assert (schemes["features"], schemes["y"]) == (conv, gemm)
    assert schemes["bounded"] == schemes["flat"] == conv
    assert reason(found, "bounded") == "Follows features."


def test_the_reason_gives_intensity_and_ridge(net: Partition) -> None:
    found = plan(net, chip(1e9), PrecisionParams(policy="arithmetic_intensity"))
    assert reason(found, "features") == (
        "Waits for memory: 136 operations a byte at w4a16, below the ridge of 500, and weights are 53 % of its "
        "bytes: small weights, safe activations."
    )


def test_blocks_are_those_that_the_chip_has(net: Partition) -> None:
    found = plan(net, chip(5e9), PrecisionParams(policy="arithmetic_intensity")).granularity_of()
    assert (found["features"], found["y"]) == (32, 64)


def test_thresholds_of_layer_and_chip(net: Partition) -> None:
    # Conv: 2359296 MACs on 36864 + 2 x 4096 elements: 52.4; Gemm: 64000 on 65064: 0.98. 100 engines: 100 TOPS.
    params = PrecisionParams(policy="thresholds", thresholds=Thresholds(high_macs_per_element=52))
    found = plan(net, chip(1e11, count=100), params)
    assert (found.scheme_of()["features"], found.scheme_of()["y"]) == ("w4a8", "w4a16")
    assert reason(found, "features") == "High by the thresholds: 52.4 MACs per element moved."
    between = plan(net, chip(1e11, count=100), PrecisionParams(policy="thresholds"))
    assert between.scheme_of()["features"] == "w8a8"
    assert reason(between, "features").startswith(
        "Between the thresholds (52.4 MACs per element moved): Waits"
    )
    small = plan(net, chip(1e11, count=32), PrecisionParams(policy="thresholds"))
    assert small.scheme_of()["features"] == "w4a16"
    large = plan(net, chip(1e11, count=300), PrecisionParams(policy="thresholds"))
    assert large.scheme_of()["features"] == "w4a8"
    # low by the layer and high by the chip: neither decides
    assert reason(large, "y").startswith(
        "Between the thresholds (0.984 MACs per element moved, a chip of 300"
    )


def test_a_chip_without_4_bits_gives_the_nearest(net: Partition) -> None:
    found = plan(net, chip(1e9, four_bits=False), PrecisionParams(policy="thresholds"))
    assert found.scheme_of()["y"] == "w8a8"
    assert reason(found, "y").endswith("w8a8 is the nearest to w4a16 that it may take.")


def test_what_shares_a_scale_has_one_width(residual: Partition) -> None:
    # The 1x1 convolutions wait for memory, mostly for activations: 8 bits. The 3x3 takes most of the time, and
    # with it the sum and what is summed have 16; what only reads the sum has its own.
    found = plan(residual, chip(1.5e9), PrecisionParams(policy="arithmetic_intensity"))
    assert found.scheme_of() == {"a": "w4a16", "b": "w4a16", "memory": "w4a16", "y": "w4a8"}
    assert reason(found, "b").startswith("Has 16-bit activations, as what it shares a scale with. Waits")


def test_allowed_sets_by_segment_and_pattern(net: Partition) -> None:
    params = PrecisionParams(policy="arithmetic_intensity", allow={"whole": "int8", "y": ("int8", "fp16")})
    assert set(plan(net, chip(1e9), params).scheme_of().values()) == {"w8a8"}
    floats = PrecisionParams(allow={"y": "fp16"})
    assert plan(net, chip(1e9), floats).scheme_of()["y"] == "float16"
    asked = PrecisionParams(policy="thresholds", exceptions=(SchemeException("y", "float"),))
    assert plan(net, chip(1e9), asked).scheme_of()["y"] == "float16"


def test_every_pattern_that_matches_nothing_is_named(net: Partition) -> None:
    params = PrecisionParams(exceptions=(SchemeException("haed", "float"),), allow={"bakbone": "int8"})
    with pytest.raises(InputError) as caught:
        plan(net, chip(1e9), params)
    assert [fault.where for fault in caught.value.faults] == [
        "precision.exceptions.0.match",
        "precision.allow.bakbone",
    ]


def test_a_plan_that_the_chip_contradicts_is_refused(net: Partition) -> None:
    params = PrecisionParams(policy="thresholds", allow={"features": "int16", "y": ("int4", "fp32")})
    with pytest.raises(InputError) as caught:
        plan(net, chip(1e9, four_bits=False), params)
    assert [fault.what for fault in caught.value.faults] == [
        "none of int16 is there for it: features runs on npu, which has w8a8, float16",
        "none of int4, fp32 is there for it: y runs on npu, which has w8a8, float16",
    ]


def test_one_scale_cannot_have_two_widths(residual: Partition) -> None:
    params = PrecisionParams(policy="arithmetic_intensity", allow={"a": "int8", "b": "w4a16"})
    with pytest.raises(InputError, match="share a scale"):
        plan(residual, chip(1e9), params)
