"""Bytes, intensity, bound and time on a chip with round numbers: 1 Tops, 10 GB/s, ridge 100."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.op_costs import Access, Work
from deploykit.analysis.roofline import attainable_ops_per_s, cost_nodes, place, roofs
from deploykit.analysis.traffic import off_chip_bytes
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, Quantity

CONV = "g (float[1,64,32,32] x, float[64,64,3,3] w, float[64] b) => (y) { y = Conv<pads=[1,1,1,1]>(x, w, b) }"


def test_a_convolution_is_bound_by_compute(graph_of: Any, chip: ChipProfile) -> None:
    (node,) = cost_nodes(graph_of(CONV, weights=("w", "b")), chip, segment="backbone")
    int8 = node.at("w8a8")
    ops = 2 * 64 * 1024 * 576 + 64 * 1024  # MACs twice, and one addition per output for the bias
    moved = 64 * 64 * 9 + 4 * 64 + 2 * 64 * 1024  # int8 weights, int32 bias, input and output
    assert (node.segment, node.engine, node.macs) == ("backbone", "npu", 64 * 1024 * 576)
    assert (int8.weight_bytes, int8.activation_read_bytes, int8.activation_write_bytes) == (
        37120,
        65536,
        65536,
    )
    assert int8.intensity == pytest.approx(ops / moved)
    assert int8.bound == "compute"
    assert int8.time_s == pytest.approx(ops / 1e12)
    half = node.at("float16")
    assert half.traffic_bytes == 2 * (64 * 64 * 9 + 64 + 2 * 64 * 1024)
    assert half.time_s == pytest.approx(ops / 5e11)


def test_an_addition_is_bound_by_memory(graph_of: Any, chip: ChipProfile) -> None:
    (node,) = cost_nodes(graph_of("g (float[1000] a, float[1000] b) => (y) { y = Add(a, b) }"), chip)
    assert node.at("w8a8").bound == "memory"
    assert node.at("w8a8").time_s == pytest.approx(3000 / 1e10)


def test_integers_keep_their_own_size(graph_of: Any, chip: ChipProfile) -> None:
    (node,) = cost_nodes(graph_of("g (int64[10] a, int64[10] b) => (y) { y = Add(a, b) }"), chip)
    assert [cost.traffic_bytes for cost in node.schemes] == [240, 240]


def test_what_the_engine_lacks_runs_on_the_fallback(graph_of: Any, chip: ChipProfile) -> None:
    (node,) = cost_nodes(
        graph_of("g (float[1,5,8,8] x, float[1,4,4,2] g) => (y) { y = GridSample(x, g) }"), chip
    )
    assert (node.engine, [cost.scheme for cost in node.schemes]) == ("cpu", ["float32"])
    assert node.at("w8a8").time_s == pytest.approx(
        4 * (320 + 32 + 80) / 1e10 + 1e-5
    )  # memory, and 10 us to start
    assert node.at("w8a8").bound == "overhead"


def test_a_view_costs_nothing(graph_of: Any, chip: ChipProfile) -> None:
    (node,) = cost_nodes(
        graph_of("g (float[2,6] x, int64[1] s) => (float[12] y) { y = Reshape(x, s) }"), chip, engine="cpu"
    )
    assert (node.at("float32").traffic_bytes, node.at("float32").time_s) == (0, 0.0)


def test_an_activation_that_runs_with_its_convolution_moves_nothing(graph_of: Any, chip: ChipProfile) -> None:
    text = CONV.replace("(y) { y", "(z) { y").replace("}", " z = Relu(y) }")
    conv, relu = cost_nodes(graph_of(text, weights=("w", "b")), chip)
    assert (conv.at("w8a8").activation_write_bytes, relu.at("w8a8").activation_read_bytes) == (0, 0)
    assert relu.at("w8a8").activation_write_bytes == 65536
    assert conv.activation_write_elements == 65536  # the work itself is what it was


def test_blanks_are_named_with_what_to_do(graph_of: Any, chip: ChipProfile) -> None:
    graph = graph_of("g (float[9] x) => (y) { y = Relu(x) }")
    dram = replace(chip.dram, bandwidth_bytes_per_s=Quantity())
    with pytest.raises(InputError, match=r"toy.yaml: dram.bandwidth_bytes_per_s: is blank, .*; fill in"):
        cost_nodes(graph, replace(chip, dram=dram))
    npu = replace(chip.engines[0], peak_ops_per_s={"w8a8": Quantity()})
    with pytest.raises(InputError, match=r"toy.yaml: engines.npu.peak_ops_per_s: is blank"):
        cost_nodes(graph, replace(chip, engines=(npu, chip.engines[1])))
    with pytest.raises(InputError, match=r"toy has no engine 'gpu'; it has: npu, cpu"):
        cost_nodes(graph, chip, engine="gpu")


def test_roofs_meet_at_the_ridge(chip: ChipProfile) -> None:
    lines = roofs(chip)
    assert [(line.engine, line.scheme, line.ridge_ops_per_byte) for line in lines] == [
        ("npu", "w8a8", 100.0),
        ("npu", "float16", 50.0),
        ("cpu", "float32", 1.0),
    ]
    assert attainable_ops_per_s(lines[0], 50.0) == 5e11
    assert attainable_ops_per_s(lines[0], 100.0) == attainable_ops_per_s(lines[0], 1e6) == 1e12


amounts = st.integers(0, 10**12)


@given(ops=amounts, moved=amounts, more=amounts)
def test_more_work_never_takes_less_time(ops: int, moved: int, more: int) -> None:
    def time_s(ops: int, moved: int) -> float:
        return place(ops, moved, peak=1e12, bandwidth=1e10, overhead_s=1e-6)[1]

    assert time_s(ops, moved) <= time_s(ops + more, moved)
    assert time_s(ops, moved) <= time_s(ops, moved + more)


@given(ops=st.integers(1, 10**12), moved=st.integers(1, 10**12))
def test_the_bound_is_the_side_of_the_ridge(ops: int, moved: int) -> None:
    bound, _ = place(ops, moved, peak=1e12, bandwidth=1e10, overhead_s=0.0)
    assert bound == ("compute" if ops / moved >= 100.0 else "memory") or ops / moved == pytest.approx(100.0)


@given(weights=st.integers(0, 10**9), reads=st.integers(0, 10**9), batch=st.integers(1, 64))
def test_bytes_scale_with_precision_and_batch(weights: int, reads: int, batch: int) -> None:
    def moved(scheme: str, times: int) -> int:
        work = Work(
            reads=(Access("w", "float", "weight", weights), Access("x", "float", "activation", reads * times))
        )
        return off_chip_bytes(work, scheme).total

    assert moved("float32", 1) == 2 * moved("float16", 1) == 4 * moved("w8a8", 1)
    assert moved("w8a8", batch) == weights + batch * reads
