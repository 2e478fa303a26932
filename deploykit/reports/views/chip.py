"""Views of the chip's profile: the numbers that every prediction stands on."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.core.profile import ChipProfile, EngineProfile, Quantity
from deploykit.reports.views.nouns.run import ChipNumber


def chip_numbers(chip: ChipProfile) -> tuple[ChipNumber, ...]:
    """Give the profile's numbers that costs and plans use, with their sources."""
    return (
        *(number for engine in chip.engines for number in _engine_numbers(engine)),
        _number("off-chip bandwidth", chip.dram.bandwidth_bytes_per_s, "B/s"),
        _number("on-chip memory", chip.on_chip.size_bytes, "B"),
    )


def _engine_numbers(engine: EngineProfile) -> Iterator[ChipNumber]:
    each = f", each of {engine.count}" if engine.count > 1 else ""
    for scheme, peak in engine.peak_ops_per_s.items():
        yield _number(f"{engine.name} {scheme}{each}", peak, "OPS")
    yield _number(f"{engine.name} overhead a node", engine.node_overhead_s, "s")


def _number(what: str, quantity: Quantity, unit: str) -> ChipNumber:
    return ChipNumber(what, quantity.value, unit, quantity.status, quantity.source)
