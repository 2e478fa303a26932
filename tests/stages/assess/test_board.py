"""Networks that share chips, and the ranking of the chips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deploykit.artifacts.assessment import Assessment
from deploykit.core.chip_classes import Span
from deploykit.core.codec import decode, encode
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile, DramProfile, Quantity
from deploykit.core.profile_facts import PowerMode, Price
from deploykit.stages.assess.board import assess_chips

Read = Callable[..., Any]


def faster(chip: ChipProfile) -> ChipProfile:
    peaks = {
        name: Quantity((peak.value or 0) * 4, "test") for name, peak in chip.engines[0].peak_ops_per_s.items()
    }
    npu = replace(chip.engines[0], peak_ops_per_s=peaks)
    return replace(chip, name="fast", engines=(npu, *chip.engines[1:]))


def test_rates_give_each_engine_its_share(chip: ChipProfile, read: Read) -> None:
    answer = assess_chips(read(bind=({"N": 1},), rate_hz=1000.0), [chip])
    (sharing,) = answer.chips[0].sharing
    assert sharing.feasible
    # 296.96 us a run on two NPUs, 16.384 us on the CPU, 1000 times a second
    assert dict(sharing.demand) == {"npu": pytest.approx(0.14848), "cpu": pytest.approx(0.016384)}
    assert answer.chips[0].fits is True
    assert answer.chips[0].reasons == ("holds net at 1000/s: 14.8 % of npu, 1.6 % of cpu",)


def test_a_rate_that_is_too_high_does_not_fit(chip: ChipProfile, read: Read) -> None:
    answer = assess_chips(read(bind=({"N": 1},), rate_hz=4000.0), [chip])  # 250 us, a run takes 313
    assert answer.chips[0].fits is False
    assert answer.chips[0].reasons[0].startswith("does not hold net at 4000/s: 59.4 % of npu")


def test_two_networks_add_up(chip: ChipProfile, read: Read) -> None:
    two = (*read(bind=({"N": 1},), rate_hz=1000.0), *read(bind=({"N": 1},), rate_hz=500.0, name="other"))
    (sharing,) = assess_chips(two, [chip]).chips[0].sharing
    assert dict(sharing.demand)["npu"] == pytest.approx(1.5 * 0.14848)


def test_every_binding_has_a_schedule_of_its_own(chip: ChipProfile, read: Read) -> None:
    answer = assess_chips(read(bind=({"N": 1}, {"N": 6}), rate_hz=1000.0), [chip])
    assert [sharing.feasible for sharing in answer.chips[0].sharing] == [True, False]


def test_what_holds_comes_before_what_does_not_and_the_faster_first(chip: ChipProfile, read: Read) -> None:
    answer = assess_chips(read(bind=({"N": 1},), rate_hz=4000.0), [chip, faster(chip)])
    assert [(item.chip, item.fits) for item in answer.chips] == [("fast", True), ("toy", False)]


def test_a_chip_that_cannot_be_assessed_comes_last_with_the_reason(chip: ChipProfile, read: Read) -> None:
    blank = replace(chip, name="blank", dram=replace(chip.dram, bandwidth_bytes_per_s=Quantity(None)))
    answer = assess_chips(read(bind=({"N": 1},)), [blank, chip])
    assert [item.chip for item in answer.chips] == ["toy", "blank"]
    assert "dram.bandwidth_bytes_per_s" in answer.chips[1].reasons[0]
    with pytest.raises(InputError, match="bandwidth"):
        assess_chips(read(bind=({"N": 1},)), [blank])


def test_memory_is_counted_once_a_network_at_its_largest(chip: ChipProfile, read: Read) -> None:
    small = replace(chip, dram=replace(chip.dram, size_bytes=Quantity(10_000.0, "test")))
    (answer,) = assess_chips(read(bind=({"N": 1}, {"N": 6})), [small]).chips
    assert answer.dram_bytes == max(item.figures[0].memory.dram_bytes for item in answer.networks)
    assert answer.fits is False
    assert "too little memory" in answer.reasons[0]


def test_it_round_trips(chip: ChipProfile, read: Read) -> None:
    answer = assess_chips(read(bind=({"N": 1},), rate_hz=10.0), [chip], orders=100)
    assert decode(Assessment, encode(answer), "assessment") == answer


def test_the_price_is_that_of_the_largest_quantity_that_the_order_reaches(
    chip: ChipProfile, read: Read
) -> None:
    prices = tuple(
        Price("module", quantity, price, "USD", "shop")
        for quantity, price in ((1, 40.0), (100, 30.0), (1000, 20.0))
    )
    priced = replace(chip, prices=prices, power=(PowerMode("all on", 5.0, "sheet"),))
    (answer,) = assess_chips(read(bind=({"N": 1},)), [priced], orders=500).chips
    assert [(cost.item, cost.unit_price) for cost in answer.costs] == [("module", 30.0)]
    assert answer.power == (("all on", 5.0),)
    (unpriced,) = assess_chips(read(bind=({"N": 1},)), [chip], orders=500).chips
    assert unpriced.costs == ()


def test_a_blank_that_the_class_bounds_gives_an_interval(chip: ChipProfile, read: Read) -> None:
    blank = DramProfile(Quantity(None), Quantity(1e6, "test"), bounds=Span(0.5e9, 2e9, "test"))
    (answer,) = assess_chips(read(bind=({"N": 1},)), [replace(chip, dram=blank)]).chips
    figures = answer.networks[0].figures[0]
    # typically 1 GB/s; the Sigmoid of 16.384 us takes twice or half of it, Conv and Relu are bound by compute
    assert figures.time_s == pytest.approx(313.344e-6)
    assert figures.high_s == pytest.approx(313.344e-6 + 16.384e-6 + 2.048e-6, rel=1e-6)
    assert figures.low_s == pytest.approx(313.344e-6 - 8.192e-6, rel=1e-6)
