"""What a vendor's compiler made of a network's segments, and what it said about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploykit.core.blob import Blob


@dataclass(frozen=True)
class VendorLayer:
    """One layer of a compiler's report; what it does not say is None.

    `tensors` are the float network's names of the outputs that it computes, as far as they are known.
    `engine` is the compiler's own word ("NPU", "CPU" ...). `fallback` tells that it left the accelerator.
    `dram_bytes` is off-chip traffic, both directions; `shape` that of the first output. `terms` are the
    cycles of the parts that a compiler counts apart ("compute", "sram", "dram", "flash").
    """

    name: str
    op: str
    tensors: tuple[str, ...] = ()
    engine: str = ""
    fallback: bool = False
    cycles: int | None = None
    time_s: float | None = None
    macs: int | None = None
    dram_bytes: int | None = None
    sram_bytes: int | None = None
    shape: tuple[int, ...] = ()
    layout: str = ""
    terms: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class VendorBuffer:
    """A tensor in the compiler's own memory plan: half-open bytes, steps of its lifetime where told.

    `layout` is the compiler's word for how it lies there ("NC1HWC2 (1,2,16,16,16)").
    """

    name: str
    offset_bytes: int
    size_bytes: int
    memory: str = ""
    first_step: int | None = None
    end_step: int | None = None
    layout: str = ""


@dataclass(frozen=True)
class CompileReport:
    """A compiler's figures of one segment; what it does not say is None or empty.

    `cycles` and `time_s` are the compiler's own prediction. `activation_peak_bytes` is what all activations
    take at most, in whatever memory; `sram_peak_bytes` what lies on the chip. `notices` are sentences for the
    user: what the figures leave out, and what the compiler warned about.
    """

    layers: tuple[VendorLayer, ...] = ()
    buffers: tuple[VendorBuffer, ...] = ()
    cycles: int | None = None
    time_s: float | None = None
    dram_bytes: int | None = None
    sram_peak_bytes: int | None = None
    weight_bytes: int | None = None
    activation_peak_bytes: int | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binary:
    """One compiled segment: `files[0]` is what the vendor's runtime loads, the others its simulator."""

    segment: str
    files: tuple[Blob, ...]
    report: CompileReport
    seconds: float


@dataclass(frozen=True)
class BinarySet:
    """A network's segments compiled for a chip. `host` names the segments that stay ONNX on the CPU, each
    with its reason. `version` is the toolchain's; `options` and `time_limit_s` are what it was given."""

    network: str
    toolchain: str
    version: str
    chip: str
    binaries: tuple[Binary, ...]
    host: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    time_limit_s: float = 1800.0
