"""What would make a network faster, each gain worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.core.calibration import Calibration, MacClass, Rates, Spread, VectorClass
from deploykit.core.profile import ChipProfile, Quantity
from deploykit.stages.assess.advice import advice_for
from deploykit.stages.assess.network import assess_network

Read = Callable[..., Any]

MATMUL = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N,64] x, float[64,1000] w) => (float[N,1000] y) { y = MatMul(x, w) }"""


def ask(chip: ChipProfile, network: Any, scheme: str = "") -> tuple[dict[str, Advice], dict[str, Headroom]]:
    _, made = assess_network(network, profile=chip, scheme=scheme)
    advice, headrooms = advice_for(network, made, profile=chip)
    return {item.what: item for item in advice}, {item.figure: item for item in headrooms}


@pytest.fixture
def wide(chip: ChipProfile) -> ChipProfile:
    """A chip whose peak is far beyond what 1 GB/s can feed."""
    peaks = {"w8a8": Quantity(1e12, "test"), "float16": Quantity(1e12, "test")}
    npu = replace(chip.engines[0], count=1, operators=("*",), peak_ops_per_s=peaks)
    return replace(chip, engines=(npu, chip.engines[1]))


def test_more_speed_helps_what_compute_bounds(chip: ChipProfile, read: Read) -> None:
    advice, _ = ask(chip, read(bind=({"N": 1},))[0])
    both = advice["split over all 2 npu, without loss"]
    # Conv 294.912 to 147.456 us; the Relu's 2048 bytes take 2.048 us whatever the speed
    assert both.before_s == pytest.approx(313.344e-6)
    assert both.after_s == pytest.approx(165.888e-6)
    assert (both.bound, both.nodes, both.node_count) == ("compute", ("c",), 1)


def test_the_fallback_costs_what_it_would_take_on_the_engine(chip: ChipProfile, read: Read) -> None:
    advice, _ = ask(chip, read(bind=({"N": 1},))[0])
    moved = advice["every operator on npu"]
    assert moved.after_s == pytest.approx(301.056e-6)  # Sigmoid at int8: 4.096 us
    assert (moved.bound, moved.nodes) == ("memory", ("z",))


def test_what_saves_nothing_is_no_advice(chip: ChipProfile, read: Read) -> None:
    advice, _ = ask(chip, read(bind=({"N": 1},))[0])
    assert set(advice) == {
        "split over all 2 npu, without loss",
        "twice the speed, as 2:4 sparsity or half the MACs give",
        "every operator on npu",
    }


def test_fewer_bytes_help_what_memory_bounds(wide: ChipProfile, read: Read) -> None:
    advice, _ = ask(wide, read(MATMUL, bind=({"N": 1},))[0])
    # 64000 bytes of weights, 64 + 1000 of activations
    assert advice["4-bit weights, unpacked on the way in"].after_s == pytest.approx(33.064e-6)
    batch = advice["a batch 4 times as large, by item"]
    assert batch.before_s == pytest.approx(65.064e-6)
    assert batch.after_s == pytest.approx(64e-6 / 4 + 1.064e-6)
    assert "twice the speed, as 2:4 sparsity or half the MACs give" not in advice


def test_a_cheaper_scheme_is_advice_for_a_dearer_one(wide: ChipProfile, read: Read) -> None:
    advice, _ = ask(wide, read(MATMUL, bind=({"N": 1},))[0], "float16")
    assert advice["w8a8 wherever the rules allow it"].after_s == pytest.approx(65.064e-6)


def test_fusion_saves_what_lies_between(wide: ChipProfile, read: Read) -> None:
    text = MATMUL.replace("y = MatMul(x, w)", "c = MatMul(x, w) y = Sigmoid(c)")
    advice, _ = ask(wide, read(text, bind=({"N": 1},))[0])
    fused = advice["fuse every elementwise operator into the layer before it"]
    assert fused.before_s - fused.after_s == pytest.approx(2e-6)  # 1000 bytes written and read


def test_an_overhead_that_bounds_is_saved_by_fusion_and_batch(wide: ChipProfile, read: Read) -> None:
    slow = replace(wide.engines[0], node_overhead_s=Quantity(1e-3, "test"))
    text = MATMUL.replace("y = MatMul(x, w)", "c = MatMul(x, w) y = Sigmoid(c)")
    advice, _ = ask(replace(wide, engines=(slow, wide.engines[1])), read(text, bind=({"N": 1},))[0])
    fused = advice["fuse every elementwise operator into the layer before it"]
    batch = advice["a batch 4 times as large, by item"]
    assert fused.bound == batch.bound == "overhead"
    assert fused.before_s - fused.after_s == pytest.approx(1.002e-3)
    assert batch.before_s - batch.after_s == pytest.approx(1.5e-3 + 48e-6)


def test_where_more_of_the_chip_gains_nothing(chip: ChipProfile, read: Read) -> None:
    _, rooms = ask(chip, read(bind=({"N": 1},))[0])
    # without end, the Conv's 2624 bytes are left: 21.056 us in all; 1 % off at 294912 operations in 2.837 us
    assert rooms["peak"].now == 1e9
    assert rooms["peak"].enough == pytest.approx(104e9, rel=0.01)
    # without end, the Sigmoid's 2048 operations are left: 299.008 us; 1 % off at 16384 bytes in 5.068 us
    assert rooms["bandwidth"].enough == pytest.approx(3.23e9, rel=0.01)
    assert dict(rooms["bandwidth"].times_s)[2e9] == pytest.approx(313.344e-6 - 8.192e-6)
    times = [time_s for _, time_s in rooms["peak"].times_s]
    assert times == sorted(times, reverse=True)


def test_a_network_of_moves_alone_always_gains_from_bandwidth(wide: ChipProfile, read: Read) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    net (float[1,8,8] x) => (float[1,8,8] y) { y = Transpose<perm=[0,2,1]>(x) }"""
    _, rooms = ask(wide, read(text, bind=())[0])
    assert rooms["bandwidth"].enough is None


def test_calibrated_times_follow_the_chip_too(chip: ChipProfile, read: Read) -> None:
    half: dict[MacClass, float] = dict.fromkeys(get_args(MacClass), 0.5)
    rates = Rates(half, 1e15, 0.0, dict.fromkeys(get_args(VectorClass), 1e15), 0.0, 0.0)
    calibrated = Calibration("npu", "w8a8", "test", 1e9, rates, Spread(0.1, 0.0, {}))
    network = read(bind=({"N": 1},))[0]
    advice, rooms = ask(replace(chip, calibration=(calibrated,)), network)
    faster = advice["twice the speed, as 2:4 sparsity or half the MACs give"]
    # half of the peak: the Conv, with the Relu in it, takes 589.824 us; the CPU's Sigmoid is not calibrated
    assert faster.before_s == pytest.approx(589.824e-6 + 16.384e-6, rel=1e-4)
    assert faster.after_s == pytest.approx(294.912e-6 + 16.384e-6, rel=1e-4)
    assert dict(rooms["peak"].times_s)[2e9] == pytest.approx(faster.after_s)
