"""What was compiled: the nodes of the context model, as lines.

    HTP NAME -> OUTPUT OUTPUT ...
    CPU Conv NAME -> OUTPUT ...

The provider's own profile has cycles of the emulator on this machine: they say nothing of the chip, so that
no figure is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploykit.artifacts.binaries import CompileReport, VendorLayer
from deploykit.artifacts.precision import network_name

if TYPE_CHECKING:
    from onnx import ModelProto

CONTEXT = "EPContext"
BORDERS = ("QuantizeLinear", "DequantizeLinear")
LINE = re.compile(r"^(HTP|CPU) (\S+) (.*) -> (.*)$")
SEPARATOR = "\t"
NO_CYCLES = "QNN's emulator counts its own cycles, which are no prediction of the chip's: none are shown"


def describe(context: ModelProto) -> str:
    """Write the nodes of a context model."""
    lines = []
    for node in context.graph.node:
        engine = "HTP" if node.op_type == CONTEXT else "CPU"
        outputs = SEPARATOR.join(network_name(name) for name in node.output if name)
        lines.append(f"{engine} {node.op_type} {node.name or node.output[0]} -> {outputs}")
    return "\n".join(lines)


def parse_report(text: str) -> CompileReport:
    """Read the lines back; others, such as a profile's, are left out."""
    found = [LINE.match(line) for line in text.splitlines()]
    layers = tuple(_layer(*match.groups()) for match in found if match)
    return CompileReport(layers=layers, notices=tuple(_notices(layers)))


def _layer(engine: str, op: str, name: str, outputs: str) -> VendorLayer:
    tensors = tuple(outputs.split(SEPARATOR)) if outputs else ()
    return VendorLayer(name, op, tensors, engine, fallback=engine == "CPU")


def _notices(layers: tuple[VendorLayer, ...]) -> Iterator[str]:
    if layers:
        yield NO_CYCLES
    left = [f"{layer.name} ({layer.op})" for layer in layers if layer.fallback and layer.op not in BORDERS]
    if left:
        yield f"left to the CPU: {', '.join(left)}"
    borders = sum(layer.fallback and layer.op in BORDERS for layer in layers)
    if borders:
        yield f"{borders} conversions between float and codes at the borders run on the CPU"
    parts = sum(layer.engine == "HTP" for layer in layers)
    if parts > 1:
        yield f"the segment is cut into {parts} pieces for the HTP: each crossing to the CPU costs a copy"
