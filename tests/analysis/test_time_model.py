"""Layer times by hand: 1 TOPS, 10 GB/s, 1000 bytes on chip."""

from __future__ import annotations

import pytest

from deploykit.analysis.time_model import (
    CLASS_OF,
    KINDS,
    MAC_CLASSES,
    VECTOR_CLASSES,
    kind_shares,
    layer_columns,
    layer_times,
    network_times,
    off_chip_bytes,
    spec_times,
)
from deploykit.artifacts.layer_table import LayerRow
from deploykit.core.calibration import Rates

PEAK = 1e12
RATES = Rates(
    efficiency={name: 0.5 if name == "conv" else 0.1 for name in MAC_CLASSES},
    bandwidth_bytes_per_s=10e9,
    resident_bytes=1000,
    vector_bytes_per_s={name: 2e9 if name == "move" else 4e9 for name in VECTOR_CLASSES},
    layer_overhead_s=1e-6,
    network_overhead_s=20e-6,
)


def test_what_is_computed_by_table_comes_on_top() -> None:
    row = LayerRow("conv", 500_000, 900, 300, 200, 300, special_ops=300)  # 600 bytes at 4e9: 0.15 us
    times = layer_times(layer_columns([[row]], weight_bits=8, activation_bits=8), RATES, peak_ops_per_s=PEAK)
    assert times.total_s == pytest.approx([3.15e-6])


def test_a_layer_takes_the_longer_of_compute_and_memory_and_its_overhead() -> None:
    rows = [
        LayerRow("conv", 500_000, 0, 300, 200, 300),  # 1e6 operations / 0.5e12 = 2 us; 200 bytes: 0.02 us
        LayerRow("conv", 500, 0, 30_000, 500, 20_000),  # 50,500 bytes / 10e9 = 5.05 us
        LayerRow("move", 0, 10, 400, 0, 400),  # 800 bytes / 2e9 = 0.4 us
    ]
    times = layer_times(layer_columns([rows], weight_bits=8, activation_bits=8), RATES, peak_ops_per_s=PEAK)
    assert times.total_s == pytest.approx([3e-6, 6.05e-6, 1.4e-6])


def test_a_network_is_the_sum_of_its_layers_and_a_fixed_time() -> None:
    row = LayerRow("conv", 500_000, 0, 300, 200, 300, count=4)
    columns = layer_columns([[row], [row, row]], weight_bits=8, activation_bits=8)
    assert network_times(columns, RATES, peak_ops_per_s=PEAK) == pytest.approx([32e-6, 44e-6])


def test_sixteen_bits_move_twice_the_bytes() -> None:
    row = LayerRow("conv", 500, 0, 30_000, 500, 20_000)
    columns = layer_columns([[row]], weight_bits=16, activation_bits=16)
    assert off_chip_bytes(columns, 0) == pytest.approx([101_000])


@pytest.mark.parametrize(
    ("read", "weights", "write", "moved"),
    [
        (500, 4000, 500, 4000),  # inputs and outputs fit: the weights alone move
        (600, 900, 600, 2100),  # they don't, the weights do: each once
        (1000, 3000, 1000, 8000),  # neither: the weights again for the second tile of activations
        (3000, 1500, 3000, 13_500),  # neither: the activations again for the second tile of weights
    ],
)
def test_what_moves_off_the_chip(read: int, weights: int, write: int, moved: int) -> None:
    row = LayerRow("conv", 1, 0, read, weights, write)
    columns = layer_columns([[row]], weight_bits=8, activation_bits=8)
    assert off_chip_bytes(columns, 1000, rereads_tiles=True) == pytest.approx([moved])


def test_the_data_sheet_knows_neither_overhead_nor_chip_memory() -> None:
    rows = [LayerRow("conv", 500_000, 0, 300, 200, 300), LayerRow("elementwise", 0, 50, 400, 0, 400)]
    columns = layer_columns([rows], weight_bits=8, activation_bits=8)
    spec = spec_times(columns, peak_ops_per_s=PEAK, bandwidth_bytes_per_s=10e9)
    assert spec == pytest.approx([1e-6 + 0.08e-6])


def test_shares_of_kinds_add_up_to_one() -> None:
    rows = [LayerRow("conv", 500_000, 0, 300, 200, 300, count=2), LayerRow("softmax", 0, 10, 4000, 0, 4000)]
    columns = layer_columns([rows], weight_bits=8, activation_bits=8)
    shares = kind_shares(columns, layer_times(columns, RATES, peak_ops_per_s=PEAK))[0]
    assert shares[KINDS.index("conv")] == pytest.approx(
        6 / 9, rel=0.01
    )  # twice 3 us; softmax: 8000 / 4e9 + 1 us
    assert shares[KINDS.index("softmax")] == pytest.approx(3 / 9, rel=0.01)


def test_networks_are_picked_in_the_order_asked_for() -> None:
    nets = [[LayerRow("conv", macs, 0, 1, 1, 1)] for macs in (500_000, 1_000_000, 1_500_000)]
    columns = layer_columns(nets, weight_bits=8, activation_bits=8).only([2, 0])
    assert network_times(columns, RATES, peak_ops_per_s=PEAK) == pytest.approx([27e-6, 23e-6])


def test_every_kind_of_layer_has_a_class() -> None:
    assert {CLASS_OF[kind] for kind in KINDS} == {*MAC_CLASSES, *VECTOR_CLASSES}
