"""The YAML that describes a command-line toolchain: commands, files in and out, its log, its dumps."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.yaml_file import Document, load_document, located, parse
from deploykit.toolchains.plan_files import PLAN_FILES


@dataclass(frozen=True)
class VersionCommand:
    """The command that tells the tool's version, and the pattern whose first group is it."""

    command: tuple[str, ...]
    pattern: str = r"(\d+(?:\.\d+)+)"


@dataclass(frozen=True)
class Tensors:
    """How tensors lie in files: `file` with `{tensor}` for the name, letters other than A-Z a-z 0-9 . _ -
    replaced by "_". `raw` files are C-ordered little endian of `dtype`; `layout` NHWC is for tensors of four
    dimensions."""

    file: str = "{tensor}.npy"
    format: Literal["npy", "raw"] = "npy"
    dtype: Literal["float32", "float16"] = "float32"
    layout: Literal["NCHW", "NHWC"] = "NCHW"


@dataclass(frozen=True)
class CompileCommand:
    """The compiler. `files` are what it makes, in its folder, the first for the runtime. `failed` are
    patterns of lines that mean a failure, also with exit code 0. `plan` is the format of `deploykit
    plan-files` that `{plan}` stands for. `calibration` says how the frames lie: FOLDER/0000/FILE.

    In its arguments: {model} the ONNX file, {quantized} its QDQ form, {chip}, {name} the segment's, {folder},
    {calibration} the frames' folder, {plan} the plan's first file; an argument that is `{plan_arguments}`
    alone becomes the lines of that file.
    """

    command: tuple[str, ...]
    files: tuple[str, ...]
    failed: tuple[str, ...] = ()
    plan: str = ""
    calibration: Tensors = field(default_factory=Tensors)


@dataclass(frozen=True)
class SimulateCommand:
    """The simulator, run once a frame. In its arguments: {binary} the compiler's first file, {inputs} and
    {dump} the frame's folders, {chip}, {name}, {folder}. `dump` says how its results lie; inner tensors are
    taken where a file has their name."""

    command: tuple[str, ...]
    failed: tuple[str, ...] = ()
    inputs: Tensors = field(default_factory=Tensors)
    dump: Tensors = field(default_factory=Tensors)


@dataclass(frozen=True)
class ReportPatterns:
    """Patterns over the lines of the compiler's output, with named groups.

    `layer`: name, op, engine, cycles, macs, time_s (time_ms, time_us), dram_bytes (dram_kb), sram_bytes
    (sram_kb), layout, tensor. `buffer`: name, offset and size in bytes (0x... too), memory. `total`: the same
    figures for the whole, also weight_bytes and activation_bytes. `fallback` are words of `engine` that mean
    the CPU.
    """

    layer: str = ""
    buffer: str = ""
    total: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ("CPU", "cpu")


@dataclass(frozen=True)
class Description:
    """A toolchain. `chips` gives each chip's schemes, `operators` what it takes ("*": everything)."""

    name: str
    chips: dict[str, tuple[Scheme, ...]]
    compile: CompileCommand
    operators: tuple[str, ...] = ("*",)
    per_layer: tuple[Scheme, ...] = ()
    simulate: SimulateCommand | None = None
    version: VersionCommand | None = None
    report: ReportPatterns = field(default_factory=ReportPatterns)


COMPILE_NAMES = {
    "model",
    "quantized",
    "chip",
    "name",
    "folder",
    "calibration",
    "plan",
    "plan_arguments",
    "here",
}
SIMULATE_NAMES = {"binary", "inputs", "dump", "chip", "name", "folder", "here"}
LAYER_GROUPS = {
    *("name", "op", "engine", "cycles", "macs", "time_s", "time_ms", "time_us"),
    *("dram_bytes", "dram_kb", "sram_bytes", "sram_kb", "layout", "tensor"),
}
TOTAL_GROUPS = LAYER_GROUPS | {"weight_bytes", "weight_kb", "activation_bytes", "activation_kb"}
BUFFER_GROUPS = {"name", "offset", "size", "memory"}


def read_description(path: Path) -> Description:
    """Read a description.

    Raises:
        InputError: every fault of the file, each as file:line.
    """
    document = load_document(path)
    found = parse(document, Description)
    faults = list(_faults(document, found))
    if faults:
        raise InputError(*faults)
    return found


def _faults(document: Document, found: Description) -> Iterator[Fault]:
    yield from _unknown_names(document, ("compile", "command"), found.compile.command, COMPILE_NAMES)
    if found.simulate is not None:
        yield from _unknown_names(document, ("simulate", "command"), found.simulate.command, SIMULATE_NAMES)
    if found.compile.plan and found.compile.plan not in PLAN_FILES:
        hint = did_you_mean(found.compile.plan, PLAN_FILES)
        yield located(document, ("compile", "plan"), f"no plan format {found.compile.plan!r}{hint}")
    if not found.compile.files:
        yield located(document, ("compile", "files"), "is empty", "name what the compiler makes")
    yield from _pattern(document, ("report", "layer"), found.report.layer, LAYER_GROUPS, "name")
    yield from _pattern(document, ("report", "buffer"), found.report.buffer, BUFFER_GROUPS, "name")
    for at, text in enumerate(found.report.total):
        yield from _pattern(document, ("report", "total", at), text, TOTAL_GROUPS, "")


def _unknown_names(
    document: Document, location: tuple[str, ...], command: tuple[str, ...], known: set[str]
) -> Iterator[Fault]:
    if not command:
        yield located(document, location, "is empty", "write a list: [compiler, --model, '{model}', ...]")
    for argument in command:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(argument) if name is not None]
        except ValueError as error:
            yield located(document, location, f"{argument!r}: {error}", "write {{ and }} for braces")
            continue
        for name in names:
            if name not in known:
                yield located(document, location, f"{{{name}}} stands for nothing{did_you_mean(name, known)}")


def _pattern(
    document: Document, location: tuple[str | int, ...], text: str, known: set[str], needed: str
) -> Iterator[Fault]:
    if not text:
        return
    try:
        groups = re.compile(text).groupindex.keys()
    except re.error as error:
        yield located(document, location, f"no regular expression: {error}")
        return
    for group in sorted(groups - known):
        yield located(document, location, f"no group {group!r}{did_you_mean(group, known)}")
    if needed and needed not in groups:
        yield located(document, location, f"has no group {needed!r}", f"write (?P<{needed}>...)")
