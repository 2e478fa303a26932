"""Blanks of a profile are filled from the chip's class, and the keys are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.roofline import place
from deploykit.core.chip_classes import CHIP_CLASSES, MEMORY_RATES, At, Span
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity

NPU = EngineProfile("npu", "npu", 1, {"w8a8": Quantity(1e12), "float16": Quantity()}, ("Conv",))
CPU = EngineProfile("cpu", "cpu", 1, {"float32": Quantity(), "w8a8": Quantity()}, ("*",))
CHIP = ChipProfile(
    "mine", "Mine", (NPU, CPU), "cpu", DramProfile(Quantity()), OnChipProfile(Quantity()), chip_class="camera"
)


def test_a_bandwidth_is_filled_at_both_ends_and_at_the_geometric_mean() -> None:
    values = [
        fill_blanks(CHIP, at=at).profile.dram.bandwidth_bytes_per_s.value for at in ("low", "typical", "high")
    ]
    assert values == pytest.approx([3.2e9, (3.2e9 * 17.1e9) ** 0.5, 17.1e9])


def test_an_engine_without_any_peak_is_filled_and_another_is_left_as_it_is() -> None:
    filled = fill_blanks(CHIP, at="low")
    npu, cpu = filled.profile.engines
    assert npu == NPU  # float16 stays blank: the engine can be costed at w8a8
    assert {scheme: peak.value for scheme, peak in cpu.peak_ops_per_s.items()} == {
        "float32": 10e9,
        "w8a8": 40e9,
    }
    assert [blank.key for blank in filled.blanks] == [
        "dram.bandwidth_bytes_per_s",
        "engines.cpu.peak_ops_per_s.float32",
        "engines.cpu.peak_ops_per_s.w8a8",
    ]


def test_what_costs_stand_on_is_the_bandwidth_and_the_first_scheme_of_each_engine() -> None:
    filled = fill_blanks(CHIP, at="typical")
    assert [blank.key for blank in filled.needed({"npu"})] == ["dram.bandwidth_bytes_per_s"]
    assert [blank.key for blank in filled.needed({"npu", "cpu"})] == [
        "dram.bandwidth_bytes_per_s",
        "engines.cpu.peak_ops_per_s.float32",
    ]


def test_the_kind_of_memory_is_narrower_than_the_class_and_needs_none() -> None:
    chip = replace(CHIP, chip_class="", dram=replace(CHIP.dram, bounds=Span(8e9, 17e9, "32 bits of LPDDR4")))
    filled = fill_blanks(chip, at="high")
    assert filled.profile.dram.bandwidth_bytes_per_s.value == 17e9
    assert [blank.key for blank in filled.blanks] == ["dram.bandwidth_bytes_per_s"]


def test_without_a_class_blanks_stay() -> None:
    chip = replace(CHIP, chip_class="")
    assert fill_blanks(chip, at="typical").profile == chip


@given(st.sampled_from(sorted(CHIP_CLASSES)), st.integers(1, 10**12), st.integers(1, 10**9))
def test_the_typical_time_lies_between_the_ends(name: str, ops: int, moved_bytes: int) -> None:
    blank = replace(NPU, peak_ops_per_s={"w8a8": Quantity()})
    chip = replace(CHIP, chip_class=name, engines=(blank, CPU))

    def time_s(at: At) -> float:
        filled = fill_blanks(chip, at=at).profile
        peak = filled.engines[0].peak_ops_per_s["w8a8"].value
        bandwidth = filled.dram.bandwidth_bytes_per_s.value
        assert peak is not None
        assert bandwidth is not None
        return place(ops, moved_bytes, peak=peak, bandwidth=bandwidth, overhead_s=0.0)[1]

    assert time_s("high") < time_s("typical") < time_s("low")


@pytest.mark.parametrize("name", CHIP_CLASSES)
def test_ranges_run_from_the_smaller_to_the_larger_and_have_sources(name: str) -> None:
    found = CHIP_CLASSES[name]
    spans = (found.bandwidth_bytes_per_s, found.accelerator_ops_per_s, found.cpu_ops_per_s)
    for span in (*spans, *MEMORY_RATES.values()):
        assert 0 < span.low < span.value("typical") < span.high
        assert span.source
