"""Read a compiler's output by the patterns of its description."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deploykit.artifacts.binaries import CompileReport, VendorBuffer, VendorLayer
from deploykit.toolchains.described.description import ReportPatterns

UNITS = {"time_s": 1.0, "time_ms": 1e-3, "time_us": 1e-6}
KIB = 1024


def read_log(text: str, patterns: ReportPatterns) -> CompileReport:
    """Give layers, buffers and totals; what no pattern finds is None."""
    layers = []
    buffers = []
    totals: dict[str, str] = {}
    for line in text.splitlines():
        if patterns.layer and (found := re.search(patterns.layer, line)):
            layers.append(_layer(_groups(found), patterns))
        if patterns.buffer and (found := re.search(patterns.buffer, line)):
            groups = _groups(found)
            offset, size = int(groups.get("offset", "0"), 0), int(groups.get("size", "0"), 0)
            buffers.append(VendorBuffer(groups["name"], offset, size, groups.get("memory", "")))
        for pattern in patterns.total:
            if found := re.search(pattern, line):
                totals |= _groups(found)
    return CompileReport(
        layers=tuple(layers),
        buffers=tuple(buffers),
        cycles=_integer(totals, "cycles"),
        time_s=_time(totals),
        dram_bytes=_bytes(totals, "dram"),
        sram_peak_bytes=_bytes(totals, "sram"),
        weight_bytes=_bytes(totals, "weight"),
        activation_peak_bytes=_bytes(totals, "activation"),
    )


def _groups(found: re.Match[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in found.groupdict().items() if value is not None}


def _layer(groups: Mapping[str, str], patterns: ReportPatterns) -> VendorLayer:
    engine = groups.get("engine", "")
    return VendorLayer(
        name=groups["name"],
        op=groups.get("op", ""),
        tensors=(groups["tensor"],) if "tensor" in groups else (),
        engine=engine,
        fallback=engine in patterns.fallback,
        cycles=_integer(groups, "cycles"),
        time_s=_time(groups),
        macs=_integer(groups, "macs"),
        dram_bytes=_bytes(groups, "dram"),
        sram_bytes=_bytes(groups, "sram"),
        layout=groups.get("layout", ""),
    )


def _integer(groups: Mapping[str, str], name: str) -> int | None:
    return int(float(groups[name].replace(",", ""))) if name in groups else None


def _time(groups: Mapping[str, str]) -> float | None:
    return next((float(groups[name]) * unit for name, unit in UNITS.items() if name in groups), None)


def _bytes(groups: Mapping[str, str], name: str) -> int | None:
    whole = _integer(groups, f"{name}_bytes")
    if whole is not None:
        return whole
    return int(float(groups[f"{name}_kb"]) * KIB) if f"{name}_kb" in groups else None
