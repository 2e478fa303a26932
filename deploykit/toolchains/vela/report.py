"""Read what Vela says: its log with the memory plan and the warnings, the table of layers, the summary.

    Original Operator,...,Target,Staging Usage,...,Op Cycles,...,NPU,SRAM AC,DRAM AC,...,MAC Count,...,Name

`Op Cycles` of a layer is the longest of its parts (`NPU` and the accesses `AC` of each memory), which run at
the same time. The memory plan's times are steps, both ends included; its addresses are half-open.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence

from deploykit.artifacts.binaries import CompileReport, VendorBuffer, VendorLayer
from deploykit.artifacts.precision import network_name

LAYERS = "Original Operator,NNG Operator,"
SUMMARY = "experiment,network,"
PARTS = {
    "NPU": "compute",
    "SRAM AC": "sram",
    "DRAM AC": "dram",
    "OnFlash AC": "flash",
    "OffFlash AC": "flash",
}
MEMORY = re.compile(r"^Allocation, memory (\w+), usage mask")
BUFFER = re.compile(
    r"^\s*(\d+) -\s*(\d+):\s*0x([0-9a-f]+) -\s*0x([0-9a-f]+):\s*(\d+):\s*\d+:\s*(\S+)\s*: (.*?)\s*$"
)
WARNING = re.compile(r"^Warning \(supported operators\) operator: (\w+), ofm: '(.*)'$")
KIB = 1024


def parse_report(text: str) -> CompileReport:
    """Give the figures of one compilation; what the text lacks is None or empty."""
    lines = text.splitlines()
    layers = tuple(_layers(_rows(lines, LAYERS)))
    summary = next(iter(_rows(lines, SUMMARY)), {})
    off_chip = [_number(summary, f"{memory}_total_bytes") for memory in ("dram", "off_chip_flash")]
    sram = _number(summary, "sram_memory_used", KIB)
    cycles, time_s = _number(summary, "cycles_total"), summary.get("inference_time")
    return CompileReport(
        layers=layers,
        buffers=tuple(_buffers(lines)),
        cycles=cycles,
        time_s=float(time_s) if time_s else None,
        dram_bytes=sum(size or 0 for size in off_chip) if summary else None,
        sram_peak_bytes=sram,
        weight_bytes=_number(summary, "total_npu_encoded_weights"),
        notices=tuple(_notices(lines, layers)),
    )


def with_names(report: CompileReport, names: Mapping[str, str]) -> CompileReport:
    """Give the report with the network's tensors; `names` gives them by the program's.

    A step that only prepares a layer (pads it, sums one half of it) counts to the named one behind it.
    """
    layers: list[VendorLayer] = []
    known: tuple[str, ...] = ()
    for layer in reversed(report.layers):
        found = names.get(layer.name) or names.get(network_name(layer.name.split("::")[0]))
        known = (found,) if found else known
        layers.append(dataclasses.replace(layer, tensors=known))
    return dataclasses.replace(report, layers=tuple(reversed(layers)))


def repeated(report: CompileReport, count: int) -> CompileReport:
    """Give the figures of a network that runs once for each of `count` images; the memory stays the same."""
    if count == 1:
        return report
    layers = tuple(
        dataclasses.replace(
            layer,
            cycles=_times(layer.cycles, count),
            macs=_times(layer.macs, count),
            terms=tuple((term, cycles * count) for term, cycles in layer.terms),
        )
        for layer in report.layers
    )
    notice = (
        f"compiled for one image, to be run {count} times a frame: cycles, time and bytes are those of all"
    )
    return dataclasses.replace(
        report,
        layers=layers,
        cycles=_times(report.cycles, count),
        time_s=None if report.time_s is None else report.time_s * count,
        dram_bytes=_times(report.dram_bytes, count),
        notices=(*report.notices, notice),
    )


def _times(value: int | None, count: int) -> int | None:
    return None if value is None else value * count


def _rows(lines: Sequence[str], header: str) -> list[dict[str, str]]:
    """Give the rows of the table that starts with a header and ends where the number of fields changes."""
    start = next((at for at, line in enumerate(lines) if line.startswith(header)), None)
    if start is None:
        return []
    names, *rows = csv.reader(lines[start:])
    found = []
    for row in rows:
        if len(row) != len(names):
            break
        found.append(dict(zip(names, row, strict=True)))
    return found


def _layers(rows: list[dict[str, str]]) -> Iterator[VendorLayer]:
    for row in rows:
        terms: dict[str, int] = {}
        for column, term in PARTS.items():
            terms[term] = max(terms.get(term, 0), int(float(row[column])))
        fallback = row["Target"] != "NPU"
        yield VendorLayer(
            name=row["Name"],
            op=row["Original Operator"],
            engine=row["Target"],
            fallback=fallback,
            cycles=None if fallback else int(float(row["Op Cycles"])),
            macs=None if fallback else int(float(row["MAC Count"])),
            sram_bytes=None if fallback else int(float(row["Staging Usage"])),
            terms=() if fallback else tuple((term, cycles) for term, cycles in terms.items() if cycles),
        )


def _buffers(lines: Sequence[str]) -> Iterator[VendorBuffer]:
    """Give all buffers; constants stand after the plan of the memories, in a table of their own."""
    memory = ""
    for line in lines:
        if found := MEMORY.match(line):
            memory = found[1]
        elif line.startswith("Tensor Allocation for read-only"):
            memory = "read-only"
        elif found := BUFFER.match(line):
            first, last, start, _, size, layout, name = found.groups()
            kind = "" if layout == "Unknown" else layout
            yield VendorBuffer(name, int(start, 16), int(size), memory, int(first), int(last) + 1, kind)


def _notices(lines: Sequence[str], layers: tuple[VendorLayer, ...]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for at, line in enumerate(lines[:-1]):
        if found := WARNING.match(line):
            reason = lines[at + 1].removeprefix("Reason: ").split(" (")[0]
            reasons.setdefault(reason, []).append(f"{found[2]} ({found[1]})")
    for reason, names in reasons.items():
        yield f"left to the CPU: {', '.join(names)}: {reason}"
    count = sum(layer.fallback for layer in layers)
    if count:
        yield f"{count} operators run on the CPU, and Vela counts no cycles for them: its total lacks them"


def _number(row: Mapping[str, str], name: str, factor: int = 1) -> int | None:
    value = row.get(name)
    return None if value is None else round(float(value) * factor)
