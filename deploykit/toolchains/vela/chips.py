"""The Ethos-U configurations, and under which of Arm's reference systems each is compiled.

The systems are those of ethos-u-vela 5.2.0's config_files/Arm/vela.ini; `options: {system: ..., memory: ...}`
names others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean


@dataclass(frozen=True)
class System:
    """A system configuration and a memory mode of vela.ini."""

    system: str
    memory: str


U55 = System("Ethos_U55_High_End_Embedded", "Shared_Sram")
U65 = System("Ethos_U65_High_End", "Dedicated_Sram_384KB")
U85 = System("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB")

CHIPS: dict[str, System] = {
    **{f"ethos-u55-{macs}": U55 for macs in (32, 64, 128, 256)},
    **{f"ethos-u65-{macs}": U65 for macs in (256, 512)},
    **{f"ethos-u85-{macs}": U85 for macs in (128, 256, 512, 1024, 2048)},
}
"""By the accelerator configuration: the family, and 8-bit MACs a cycle."""

OPTIONS = ("system", "memory", "optimise")

LONGEST_STRIDE = {"ethos-u55": 3, "ethos-u65": 3}
"""U85 takes any stride."""


def longest_stride(chip: str) -> int:
    """Give the longest stride of a convolution that a chip computes as one."""
    return LONGEST_STRIDE.get(chip.rpartition("-")[0], 1 << 16)


def chip_fault(chip: str) -> Fault | None:
    """Say that there is no such chip."""
    if chip in CHIPS:
        return None
    hint = did_you_mean(chip, CHIPS)
    return Fault("compile.chip", f"vela has no chip {chip!r}{hint}", "`deploykit toolchain list`")


def arguments(chip: str, options: Mapping[str, str]) -> list[str]:
    """Give Vela's arguments for a chip.

    Raises:
        InputError: options that Vela's adapter does not have.
    """
    faults = [
        Fault("compile.options", f"vela has no option {name!r}{did_you_mean(name, OPTIONS)}")
        for name in options
        if name not in OPTIONS
    ]
    missing = chip_fault(chip)
    if faults or missing:
        raise InputError(*([missing] if missing else []), *faults)
    system = CHIPS[chip]
    return [
        *("--accelerator-config", chip),
        *("--config", "Arm/vela.ini"),
        *("--system-config", options.get("system", system.system)),
        *("--memory-mode", options.get("memory", system.memory)),
        "--verbose-performance",
        "--verbose-allocation",
    ]
