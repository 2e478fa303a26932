"""The off-chip bytes of an operation, as its precision has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from deploykit.analysis.op_costs import Access, Role, Work
from deploykit.core.dtypes import bits

ROLE_BITS: dict[str, dict[Role, int]] = {
    "float32": {"weight": 32, "bias": 32, "activation": 32},
    "float16": {"weight": 16, "bias": 16, "activation": 16},
    "w8a8": {"weight": 8, "bias": 32, "activation": 8},
    "w8a16": {"weight": 8, "bias": 32, "activation": 16},
    "w4a16": {"weight": 4, "bias": 32, "activation": 16},
    "w4a8": {"weight": 4, "bias": 32, "activation": 8},
    "w4a4": {"weight": 4, "bias": 32, "activation": 4},
}
"""Bits of a floating point value under each scheme; integers, booleans, stored values keep their own type."""

SCHEMED_TYPES = ("float", "double", "float16", "bfloat16")


@dataclass(frozen=True)
class Traffic:
    """Off-chip bytes of one node at one scheme."""

    weight: int
    read: int
    write: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weight + self.read + self.write


def off_chip_bytes(work: Work, scheme: str, *, kept: Collection[str] = ()) -> Traffic:
    """Sum up a node's bytes at a scheme; tensors in `kept` never leave the chip."""

    def total(accesses: Iterable[Access]) -> int:
        return sum(_bytes(access, scheme) for access in accesses if access.tensor not in kept)

    return Traffic(
        weight=total(access for access in work.reads if access.role != "activation"),
        read=total(access for access in work.reads if access.role == "activation"),
        write=total(work.writes),
    )


def _bytes(access: Access, scheme: str) -> int:
    schemed = access.dtype in SCHEMED_TYPES and access.role != "stored"
    width = ROLE_BITS[scheme][access.role] if schemed else bits(access.dtype)
    return -(-access.elements * width // 8)
