"""The form of a chip profile's YAML: its keys, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from deploykit.core.calibration import Calibration, DecodeRate
from deploykit.core.chip_classes import MEMORY_RATES, SEEN_OF_NOMINAL, Span
from deploykit.core.profile import OnChipProfile, Quantity, SchemeName, SchemeOffer
from deploykit.core.profile_facts import OtherEngine, PowerMode, Price, Status, VendorFigure

Kind: TypeAlias = Literal["npu", "gpu", "dla", "dsp", "cpu"]
MemoryName: TypeAlias = Literal["", "ddr3", "ddr4", "lpddr4", "lpddr4x", "lpddr5", "lpddr5x"]

BLANK = Quantity()
NO_ON_CHIP = OnChipProfile(BLANK)


@dataclass(frozen=True)
class OperatorSet:
    """ONNX operators, and the document that names them; also the form of the files in `operators/`."""

    source: str
    operators: tuple[str, ...]
    status: Status = "read"


@dataclass(frozen=True)
class Interface:
    """A memory bus: bandwidth = transfers x bus bytes x channels.

    `memory` says what sits on it; where the rate is blank, it bounds the bandwidth.
    """

    bus_bytes: float
    transfers_per_s: float | None = None
    channels: int = 1
    memory: MemoryName = ""
    source: str = ""
    status: Status = "derived"

    def bandwidth(self) -> Quantity:
        """Give the product of the three, blank where the rate is."""
        if self.transfers_per_s is None:
            return BLANK
        return Quantity(self.transfers_per_s * self.bus_bytes * self.channels, self.source, self.status)

    def bounds(self) -> Span | None:
        """Give the bytes per second that networks may see where only the kind of memory is known."""
        if self.transfers_per_s is not None or not self.memory:
            return None
        rate = MEMORY_RATES[self.memory]
        bytes_ = self.bus_bytes * self.channels
        said = f"{8 * bytes_:g} bits of {self.memory.upper()} ({rate.source})"
        return Span(rate.low * bytes_ * SEEN_OF_NOMINAL, rate.high * bytes_, said)


@dataclass(frozen=True)
class EngineEntry:
    """One kind of engine as the file has it: `operators` names operator sets (the file's own, or files of the
    folder `operators/`), or is ["*"]."""

    name: str
    kind: Kind
    count: int
    operators: tuple[str, ...]
    peak_ops_per_s: dict[SchemeName, Quantity]
    node_overhead_s: Quantity = BLANK
    fuses: tuple[str, ...] = ()
    schemes: tuple[SchemeOffer, ...] = ()
    energy_per_op_j: dict[SchemeName, Quantity] = field(default_factory=dict)
    free_views: tuple[Literal["Transpose"], ...] = ()


@dataclass(frozen=True)
class DramEntry:
    """DRAM as the file has it: an effective bandwidth, or the interface, or both."""

    bandwidth_bytes_per_s: Quantity = BLANK
    interface: Interface | None = None
    size_bytes: Quantity = BLANK
    energy_per_byte_j: Quantity = BLANK


@dataclass(frozen=True)
class ProfileFile:
    """A whole profile file. Each `source` names an entry of `sources`; `recalled` lists keys without a source
    of their own (`engines.NAME.fuses`, `on_chip.alignment_bytes`) whose values nobody looked up."""

    name: str
    title: str
    engines: tuple[EngineEntry, ...]
    fallback: str
    dram: DramEntry
    on_chip: OnChipProfile = NO_ON_CHIP
    sources: dict[str, str] = field(default_factory=dict)
    operator_sets: dict[str, OperatorSet] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    chip_class: str = ""
    recalled: tuple[str, ...] = ()
    vendor_figures: tuple[VendorFigure, ...] = ()
    other_engines: tuple[OtherEngine, ...] = ()
    power: tuple[PowerMode, ...] = ()
    prices: tuple[Price, ...] = ()
    calibration: tuple[Calibration, ...] = ()
    decode_rates: tuple[DecodeRate, ...] = ()
