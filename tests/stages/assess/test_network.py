"""One network on one chip, with the figures worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest

from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, Quantity
from deploykit.stages.assess.network import assess_network
from deploykit.stages.assess.read import Binding, read_network

CONV_S = 294.912e-6  # 2 x 147456 MACs at 1 Gops/s
RELU_S = 2.048e-6  # 2048 elements; it follows the Conv on the way out
SIGMOID_S = 16.384e-6  # float32 on the CPU: 8192 bytes in and 8192 out at 1 GB/s

Read = Callable[..., Any]


def test_the_latency_is_the_sum_of_the_nodes(chip: ChipProfile, read: Read) -> None:
    answer, _ = assess_network(read(bind=({"N": 1},))[0], profile=chip)
    figures = answer.figures[0]
    assert figures.scheme == "w8a8"
    assert figures.time_s == pytest.approx(CONV_S + RELU_S + SIGMOID_S)
    assert figures.runs_per_s == pytest.approx(3191.4, abs=0.1)
    assert figures.bound == "compute"
    assert dict(figures.bound_s)["memory"] == pytest.approx(SIGMOID_S)
    # two NPUs: 294912 operations of 313344 that one could do meanwhile, and the other one idles
    assert figures.utilisation == pytest.approx(294912 / 313344 / 2)
    # both NPUs busy: 296.96 us / 2 a run
    assert figures.most_runs_per_s == pytest.approx(1 / 148.48e-6)


def test_each_scheme_of_the_main_engine_has_its_memory(chip: ChipProfile, read: Read) -> None:
    answer, _ = assess_network(read(bind=({"N": 1},))[0], profile=chip)
    assert [figures.scheme for figures in answer.figures] == ["w8a8", "float16"]
    small, large = (figures.memory for figures in answer.figures)
    assert (small.weight_bytes, large.weight_bytes) == (576, 1152)
    assert small.activation_bytes < large.activation_bytes
    assert small.on_chip_bytes == 0  # no block fits in 1 KB
    assert small.dram_bytes == small.weight_bytes + small.activation_bytes
    assert answer.figures[1].time_s == pytest.approx(2 * CONV_S + 4.096e-6 + SIGMOID_S)


def test_what_the_engine_lacks_is_named_with_its_price(chip: ChipProfile, read: Read) -> None:
    answer, _ = assess_network(read(bind=({"N": 1},))[0], profile=chip)
    coverage = answer.coverage
    (item,) = coverage.off_engine
    assert (item.op, item.engine, item.nodes, item.macs, item.custom) == ("Sigmoid", "cpu", 1, 0, False)
    assert item.time_s == pytest.approx(SIGMOID_S)
    assert (coverage.nodes_on_engine, coverage.nodes) == (2, 3)
    assert coverage.macs_on_engine == coverage.macs == 147456
    assert coverage.handovers == 1
    # on the NPU, at int8: 2048 bytes in and out
    assert coverage.ideal_s == pytest.approx(CONV_S + RELU_S + 4.096e-6)


def test_the_scheme_that_was_asked_for_comes_first(chip: ChipProfile, read: Read) -> None:
    network = read(bind=({"N": 1},))[0]
    answer, _ = assess_network(network, profile=chip, scheme="float16")
    assert [figures.scheme for figures in answer.figures] == ["float16", "w8a8"]
    with pytest.raises(InputError, match="npu has no w4a4; it has w8a8, float16"):
        assess_network(network, profile=chip, scheme="w4a4")


def test_a_batch_reads_its_weights_once(chip: ChipProfile, read: Read) -> None:
    one, six = read(bind=({"N": 1}, {"N": 6}))
    first, second = (assess_network(item, profile=chip)[0] for item in (one, six))
    assert (first.label, second.label) == ("net N=1", "net N=6")
    assert second.figures[0].time_s == pytest.approx(6 * first.figures[0].time_s)
    weights = first.figures[0].memory.weight_bytes
    assert second.figures[0].traffic_bytes == 6 * (first.figures[0].traffic_bytes - weights) + weights


def test_an_operator_of_nobody_is_named_and_not_counted(chip: ChipProfile, read: Read) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "my.ops" : 1]>
    net (float[1,8,16,16] x) => (float[1,8,16,16] z) <float[1,8,16,16] y>
    { y = my.ops.Splat(x)  z = Relu(y) }"""
    answer, _ = assess_network(read(text, bind=())[0], profile=chip)
    (item,) = answer.coverage.off_engine
    assert (item.op, item.custom) == ("my.ops:Splat", True)
    assert answer.notices[0].startswith("no cost is known for my.ops:Splat")


def test_a_blank_in_the_profile_is_said(chip: ChipProfile, read: Read) -> None:
    unknown = replace(chip.dram.bandwidth_bytes_per_s, value=None)
    blank = replace(chip, dram=replace(chip.dram, bandwidth_bytes_per_s=unknown))
    with pytest.raises(InputError, match="bandwidth"):
        assess_network(read(bind=({"N": 1},))[0], profile=blank)


def test_free_sizes_without_a_value_are_all_named(read: Read) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    net (float[N,3,H,16] x) => (float[N,3,H,16] z) { z = Relu(x) }"""
    with pytest.raises(InputError, match="sizes are free: N, H; bind each: N=SIZE,H=SIZE"):
        read(text, bind=())


def test_energy_is_that_of_operations_and_bytes_or_unknown(chip: ChipProfile, read: Read) -> None:
    network = read(bind=({"N": 1},))[0]
    assert assess_network(network, profile=chip)[0].figures[0].energy_j is None
    energies = {"w8a8": Quantity(1e-12, "test"), "float32": Quantity(1e-11, "test")}
    engines = tuple(replace(engine, energy_per_op_j=energies) for engine in chip.engines)
    dram = replace(chip.dram, energy_per_byte_j=Quantity(1e-10, "test"))
    figures = assess_network(network, profile=replace(chip, engines=engines, dram=dram))[0].figures[0]
    # NPU: 294912 + 2048 operations; CPU: 2048; bytes: 576 + 2048 + 2048 and 16384
    assert figures.traffic_bytes == 21056
    assert figures.energy_j == pytest.approx(296960e-12 + 2048e-11 + 21056e-10)


def test_shape_arithmetic_is_folded_before_it_counts(chip: ChipProfile, tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
    net (float[N,8,16,16] x) => (float[N,2048] y) <int64[1] minus = {-1}, int64 zero = {0}, int64[1] front = {0}>
    { s = Shape(x)  n = Gather(s, zero)  m = Unsqueeze(n, front)  t = Concat<axis=0>(m, minus)
      r = Relu(x)  y = Reshape(r, t) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "net.onnx")
    one = (Binding("", {"N": 1}),)
    (plain,) = read_network(tmp_path / "net.onnx", network="net", bindings=one, simplify=False)
    (folded,) = read_network(tmp_path / "net.onnx", network="net", bindings=one)
    assert [node.op for node in folded.graph.nodes] == ["Relu", "Reshape"]
    assert assess_network(plain, profile=chip)[0].coverage.nodes == 6
    assert assess_network(folded, profile=chip)[0].coverage.nodes == 2
