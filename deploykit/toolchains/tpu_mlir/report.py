"""Read what tpu-mlir says of a bmodel: the commands' cycles, where tensors lie, and `model_tool --info`.

The three texts stand in one file, each under a line `=== NAME`:

    === profile      compiler_profile_0.txt: a command a line, its operation as KIND_LINE of the final MLIR
    === tensors      the bmodel's JSON: each operation of that file with its line, results and addresses
    === info         model_tool --info
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploykit.artifacts.binaries import CompileReport, VendorBuffer, VendorLayer
from deploykit.toolchains.tpu_mlir.timeline import Command, exposed_cycles, read_commands

HEADING = re.compile(r"^=== (\w+)$", re.MULTILINE)
TOTAL = re.compile(r"^TCYC : (\d+)\b", re.MULTILINE)
RUNTIME = re.compile(r"runtime: ([\d.]+)ms")
TRAFFIC = re.compile(r"dr\[\d\] (S2L|L2S|S2S):(\d+)")
WEIGHTS = re.compile(r"device mem size: \d+ \(weight: (\d+), instruct: (\d+), runtime: (\d+)\)")
SHAPE = re.compile(r"<([\dx]+)x(\w+)>")
ON_CPU = "tpu.GenericCpu"
MOVES = ("tpu.Load", "tpu.Store")
LOCAL_BYTES = 1 << 32
"""Addresses below are in the lanes' local memory, others in DRAM. How much of a lane a tensor takes is not in
the file, so that only DRAM's tensors are given as buffers."""

TYPE_BITS = {"f32": 32, "si32": 32, "ui32": 32, "f16": 16, "bf16": 16, "si16": 16, "ui16": 16, "si8": 8}
NO_PROFILE = "this chip's compiler predicts no time"
SHARED = (
    "cycles of a layer are those in which it computes, or in which a transfer for it keeps the chip waiting; "
    "they add up to the total"
)


def join_texts(profile: str, tensors: str, info: str) -> str:
    """Give the text that `parse_report` reads."""
    return f"=== profile\n{profile}\n=== tensors\n{tensors}\n=== info\n{info}\n"


def parse_report(text: str) -> CompileReport:
    """Read layers, buffers, cycles and bytes; what is not there stays None."""
    parts = HEADING.split(text)
    section = dict(zip(parts[1::2], parts[2::2], strict=True))
    profile, info = section.get("profile", ""), section.get("info", "")
    operations = tuple(_operations(section.get("tensors", "")))
    cycles, runtime, weights = TOTAL.search(profile), RUNTIME.search(profile), WEIGHTS.search(info)
    traffic = [int(size) for _, size in TRAFFIC.findall(profile)]
    return CompileReport(
        layers=_layers(operations, read_commands(profile)),
        buffers=tuple(_buffers(operations)),
        cycles=int(cycles[1]) if cycles else None,
        time_s=float(runtime[1]) * 1e-3 if runtime else None,
        dram_bytes=sum(traffic) if traffic else None,
        weight_bytes=int(weights[1]) if weights else None,
        notices=(SHARED,) if cycles else (NO_PROFILE,),
    )


@dataclass(frozen=True)
class _Operation:
    """One operation of the final MLIR; its operands and results by the compiler's names."""

    line: int
    kind: str
    operands: tuple[str, ...]
    results: tuple[str, ...]
    entries: tuple[Mapping[str, Any], ...] = field(repr=False)


def _operations(text: str) -> Iterator[_Operation]:
    """Give each operation once, where slices repeat it."""
    seen: set[int] = set()
    for entry in json.loads(text) if text.strip() else ():
        if entry["file-line"] in seen:
            continue
        seen.add(entry["file-line"])
        results = tuple(item for item in entry["results"] if item and item.get("name"))
        operands = (item["name"] for item in entry["operands"] if item and item.get("name"))
        yield _Operation(
            entry["file-line"],
            entry["opcode"],
            tuple(operands),
            tuple(item["name"] for item in results),
            results,
        )


def _layers(operations: tuple[_Operation, ...], commands: Iterable[Command]) -> tuple[VendorLayer, ...]:
    """Give the operations that compute; a load belongs to what reads it, a store to what wrote it."""
    owner = _owners(operations)
    cycles: defaultdict[int, int] = defaultdict(int)
    bytes_of: defaultdict[int, int] = defaultdict(int)
    kept = tuple(commands)
    for line, count in exposed_cycles(kept).items():
        cycles[owner.get(line, line)] += count
    for command in kept:
        bytes_of[owner.get(command.line, command.line)] += command.dram_bytes
    return tuple(
        VendorLayer(
            name=operation.results[0] if operation.results else operation.kind,
            op=operation.kind.removeprefix("tpu."),
            engine="CPU" if operation.kind == ON_CPU else "TPU",
            fallback=operation.kind == ON_CPU,
            cycles=cycles[operation.line] if kept else None,
            dram_bytes=bytes_of[operation.line] if kept else None,
            shape=_shape(operation.entries[0]) if operation.entries else (),
            layout=str(operation.entries[0].get("layout") or "") if operation.entries else "",
        )
        for operation in operations
        if operation.kind not in MOVES
    )


def _owners(operations: tuple[_Operation, ...]) -> dict[int, int]:
    readers: dict[str, int] = {}
    writers: dict[str, int] = {}
    for operation in operations:
        if operation.kind in MOVES:
            continue
        for name in operation.operands:
            readers.setdefault(name, operation.line)
        writers |= dict.fromkeys(operation.results, operation.line)
    found: dict[int, int] = {}
    for operation in operations:
        table = readers if operation.kind == "tpu.Load" else writers
        names = operation.results if operation.kind == "tpu.Load" else operation.operands
        if operation.kind in MOVES and names and names[0] in table:
            found[operation.line] = table[names[0]]
    return found


def _buffers(operations: Iterable[_Operation]) -> Iterator[VendorBuffer]:
    """Give where each result in DRAM lies, and from its own step to the last that reads it."""
    steps = tuple(operations)
    last = {name: at for at, operation in enumerate(steps) for name in operation.operands}
    for at, operation in enumerate(steps):
        for entry in operation.entries:
            size = _size(entry)
            if size is None or entry.get("address") is None:
                continue
            address = int(entry["address"])
            if address >= LOCAL_BYTES:
                end = last.get(entry["name"], at) + 1
                yield VendorBuffer(entry["name"], address, size, "DRAM", at, end)


def _shape(entry: Mapping[str, Any]) -> tuple[int, ...]:
    found = SHAPE.search(str(entry.get("memory_type")))
    return tuple(int(size) for size in found[1].split("x")) if found else ()


def _size(entry: Mapping[str, Any]) -> int | None:
    found = SHAPE.search(str(entry.get("memory_type")))
    if not found:
        return None
    bits = TYPE_BITS.get(found[2], 8)
    for size in _shape(entry):
        bits *= size
    return (bits + 7) // 8
