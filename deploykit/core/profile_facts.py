"""What a chip's vendor and shops say of it: kept with its source for the reader; no prediction uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["read", "derived", "measured", "fitted", "recalled"]
"""How a number came about: a document says so, computed from what documents say, measured, fitted to
measurements; `recalled` is general knowledge that nobody looked up for this profile."""


@dataclass(frozen=True)
class VendorFigure:
    """A speed as the vendor quotes it, kept as what it is: no prediction uses it.

    `sums` names what it adds up ("gpu", "2 x dla"); `sparsity` says whether zeros are counted as work.
    """

    ops_per_s: float
    arithmetic: str
    sums: tuple[str, ...]
    sparsity: Literal["dense", "2:4 sparse", "not said"]
    source: str
    status: Status = "read"


@dataclass(frozen=True)
class OtherEngine:
    """A part of the chip that runs no network: listed so that nobody counts on it."""

    name: str
    what: str
    source: str
    status: Status = "read"


@dataclass(frozen=True)
class PowerMode:
    """What a chip or module draws in one mode, or while it does what `mode` says."""

    mode: str
    power_w: float
    source: str
    status: Status = "read"


@dataclass(frozen=True)
class Price:
    """What one `item` (chip, module, board) costs where `quantity` of them are ordered."""

    item: str
    quantity: int
    unit_price: float
    currency: str
    source: str
    status: Status = "read"
