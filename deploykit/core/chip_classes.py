"""Classes of chips, and the ranges in which a blank of a profile may lie.

A range runs from the smallest to the largest that chips of the class have; its typical value is the geometric
mean. The ranges are for filling blanks and for finding mistakes in units, not for choosing a chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

At: TypeAlias = Literal["low", "typical", "high"]


@dataclass(frozen=True)
class Span:
    """From the smallest to the largest, with where that is known from."""

    low: float
    high: float
    source: str

    def value(self, at: At) -> float:
        """Give one end, or the geometric mean of both."""
        return {"low": self.low, "typical": sqrt(self.low * self.high), "high": self.high}[at]


@dataclass(frozen=True)
class ChipClass:
    """Speeds of one engine at w8a8 by its kind, the CPU's at float32, and the DRAM bandwidth."""

    title: str
    bandwidth_bytes_per_s: Span
    accelerator_ops_per_s: Span
    cpu_ops_per_s: Span


_CORES = "Neon pipes x clock x cores of the chips named, as in `recalled` CPU peaks of their profiles"

CHIP_CLASSES: Mapping[str, ChipClass] = {
    "microcontroller": ChipClass(
        "an NPU beside a microcontroller, or a small application processor",
        Span(0.5e9, 24e9, "ethos-u-vela vela.ini: Flash of Ethos-U55 embedded to DRAM of Ethos-U85 high"),
        Span(0.1e12, 4.1e12, "Ethos-U55-128 at 0.4 GHz to Ethos-U85-2048 at 1 GHz: MACs x 2 x clock"),
        Span(0.5e9, 30e9, "one Cortex-M55 at 0.4 GHz to two Cortex-A55 at 1.7 GHz: SIMD width x clock"),
    ),
    "camera": ChipClass(
        "a camera chip: one or two CPU clusters, 16 to 32 bits of DDR3 to LPDDR4",
        Span(3.2e9, 17.1e9, "16 bits of DDR3-1600 to 32 bits of LPDDR4-4266 (JEDEC rates)"),
        Span(0.5e12, 10e12, "RV1109 (1.2) and below, AX630C (3.2), K230, TDA4VM (8), RDK X5 (10)"),
        Span(10e9, 120e9, f"two Cortex-A53 to eight Cortex-A55: {_CORES}"),
    ),
    "embedded": ChipClass(
        "an embedded or mobile chip: 32 to 64 bits of LPDDR4X or LPDDR5",
        Span(12.8e9, 68.3e9, "32 bits of LPDDR4-3200 to 64 bits of LPDDR5X-8533 (JEDEC rates)"),
        Span(2e12, 48e12, "RK3588 (2 a core), AX650N (6 a core), BM1684X (32), QCS8550 (48)"),
        Span(40e9, 300e9, f"four Cortex-A53 to eight Kryo cores: {_CORES}"),
    ),
    "automotive": ChipClass(
        "a driving or robot computer: 128 to 256 bits of LPDDR5",
        Span(68.3e9, 273e9, "128 bits of LPDDR4X-4266 to 256 bits of LPDDR5X-8533 (JEDEC rates)"),
        Span(20e12, 128e12, "Orin NX GPU (30), RDK S100 (80), AGX Orin GPU (85), Horizon J5 (128 over two)"),
        Span(150e9, 600e9, f"six to twelve Cortex-A78AE: {_CORES}"),
    ),
    "card": ChipClass(
        "a graphics or accelerator card: GDDR6 or HBM",
        Span(300e9, 3.4e12, "192 bits of GDDR6 at 12.8 GT/s to the HBM3 of an H100"),
        Span(60e12, 2e15, "RTX A2000 to H100: dense int8 tensor operations"),
        Span(100e9, 4e12, "the host's CPU, which the card does not say"),
    ),
}

MEMORY_RATES: Mapping[str, Span] = {
    "ddr3": Span(1.066e9, 2.133e9, "JESD79-3"),
    "ddr4": Span(1.6e9, 3.2e9, "JESD79-4"),
    "lpddr4": Span(2.133e9, 4.267e9, "JESD209-4"),
    "lpddr4x": Span(3.2e9, 4.267e9, "JESD209-4-1"),
    "lpddr5": Span(4.267e9, 6.4e9, "JESD209-5"),
    "lpddr5x": Span(7.5e9, 8.533e9, "JESD209-5B"),
}
"""Transfers per second of memories as chips of the last ten years use them, within their standards."""

SEEN_OF_NOMINAL = 0.88
"""What networks see of an interface's product: 0.885 (rk3576), 0.897 (rk3588) in fits of language models."""

SCHEME_SPEED: Mapping[str, float] = {
    "w8a8": 1.0, "w4a4": 1.0, "w4a8": 1.0, "w8a16": 0.5, "w4a16": 0.5, "float16": 0.5, "float32": 0.125,
}  # fmt: skip
"""Speed of an accelerator by scheme, w8a8 being 1: float16 a half (RK3588, Orin, BM1684X), float32 a
sixteenth (BM1684X, Orin GPU) to a quarter."""

CPU_SCHEME_SPEED: Mapping[str, float] = {"float32": 1.0, "float16": 2.0, "w8a8": 4.0}
"""Speed of a CPU by scheme, float32 being 1: lanes of a SIMD register; others compute in float32."""
