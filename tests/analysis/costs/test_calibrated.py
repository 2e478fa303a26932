"""Fitted rates in place of the roofline's: half of 1 Tops on convolutions, 10 GB/s, 1 us a layer, 20 us
a run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from deploykit.analysis.calibrated import calibrated_interval
from deploykit.analysis.roofline import cost_nodes
from deploykit.core.calibration import Calibration, HeldOut, Rates, Spread
from deploykit.core.profile import ChipProfile

BLOCK = """g (float[1,64,32,32] x, float[64,64,3,3] w, float[64] b) => (y) {
    c = Conv<pads=[1,1,1,1]>(x, w, b) r = Relu(c) y = Softmax<axis=1>(r) }"""

RATES = Rates(
    efficiency=dict.fromkeys(("conv", "stem", "pointwise", "depthwise", "grouped", "matmul"), 0.5),
    bandwidth_bytes_per_s=10e9,
    resident_bytes=0,
    vector_bytes_per_s=dict.fromkeys(("elementwise", "special", "move"), 4e9),
    layer_overhead_s=1e-6,
    network_overhead_s=20e-6,
)


@pytest.fixture
def fitted(chip: ChipProfile) -> ChipProfile:
    """Give the chip with rates for its NPU at w8a8; measured networks spent all but 10 % on
    convolutions."""
    spread = Spread(0.1, 4.0, {"conv": 1.0, "softmax": 0.1})
    held = HeldOut("leave-one-out", 12, 0.05, 0.04, 0.5)
    item = Calibration("npu", "w8a8", "twelve networks", 1e12, RATES, spread, (held,))
    npu = replace(chip.engines[0], operators=(*chip.engines[0].operators, "Softmax"))
    return replace(chip, engines=(npu, chip.engines[1]), calibration=(item,))


def test_fitted_times_stand_beside_the_rooflines(graph_of: Any, fitted: ChipProfile) -> None:
    graph = graph_of(BLOCK, weights=("w", "b"))
    conv, relu, softmax = cost_nodes(graph, fitted)
    plain = cost_nodes(graph, replace(fitted, calibration=()))
    compute_s = 2 * 64 * 1024 * 576 / 0.5e12  # ten times what its bytes take
    assert conv.at("w8a8").time_s == pytest.approx(compute_s + 1e-6 + 20e-6, rel=1e-3)
    vector_s, memory_s = 2 * 65536 / 4e9, 2 * 65536 / 10e9
    assert softmax.at("w8a8").time_s == pytest.approx(max(vector_s, memory_s) + 1e-6)
    assert [cost.at("w8a8").spec_time_s for cost in (conv, relu, softmax)] == [
        cost.at("w8a8").time_s for cost in plain
    ]
    assert (conv.kind, relu.kind, softmax.kind) == ("conv", "", "softmax")


def test_what_runs_within_a_layer_takes_no_time_of_its_own(graph_of: Any, fitted: ChipProfile) -> None:
    _, relu, _ = cost_nodes(graph_of(BLOCK, weights=("w", "b")), fitted)
    assert [cost.time_s for cost in relu.schemes] == [0.0, 0.0]


def test_another_scheme_has_the_same_efficiencies_of_its_own_peak(graph_of: Any, fitted: ChipProfile) -> None:
    conv, _, softmax = cost_nodes(graph_of(BLOCK, weights=("w", "b")), fitted)
    compute_s = 2 * 64 * 1024 * 576 / 0.25e12
    assert conv.at("float16").time_s == pytest.approx(compute_s + 1e-6 + 20e-6, rel=1e-3)
    assert softmax.at("float16").time_s == pytest.approx(4 * 65536 / 4e9 + 1e-6, rel=0.01)


def test_engines_without_measurements_keep_the_roofline(graph_of: Any, fitted: ChipProfile) -> None:
    text = "g (float[1,5,8,8] x, float[1,4,4,2] g) => (y) { y = GridSample(x, g) }"
    (node,) = cost_nodes(graph_of(text), fitted)
    assert (node.engine, node.kind, node.schemes[0].spec_time_s) == ("cpu", "", None)
    assert calibrated_interval([node], fitted) is None


def test_a_kind_that_was_not_measured_widens_the_interval_and_says_so(
    graph_of: Any, fitted: ChipProfile
) -> None:
    costs = cost_nodes(graph_of(BLOCK, weights=("w", "b")), fitted)
    conv_s, _, softmax_s = (cost.at("w8a8").time_s for cost in costs)
    beyond = softmax_s / (conv_s + softmax_s) - 0.1
    interval = calibrated_interval(costs, fitted)
    assert interval is not None
    assert interval.high_factor == pytest.approx(math.exp(0.1 * (1 + 4 * beyond)))
    assert interval.low_factor == pytest.approx(1 / interval.high_factor)
    assert interval.reasons == (
        "90 % of 12 networks that a fit had not seen lay within a factor 1.11",
        "16 % of the time is softmax, and no measured network had more than 10 % of it",
    )
