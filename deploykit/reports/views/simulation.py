"""What the vendor's compiler and simulator said, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.results import NetworkResults
from deploykit.artifacts.simulation import Simulation
from deploykit.reports import units


def simulation_lines(result: NetworkResults) -> tuple[str, ...]:
    """Give the sentences; none where nothing was compiled."""
    return (*_compiled(result.binaries), *_simulated(result.simulation))


def _compiled(found: BinarySet | None) -> Iterator[str]:
    if found is None or not found.toolchain:
        return
    size = units.size(sum(binary.files[0].size_bytes for binary in found.binaries))
    seconds = units.duration(sum(binary.seconds for binary in found.binaries))
    noun = "binary" if len(found.binaries) == 1 else "binaries"
    what = f"{len(found.binaries)} {noun} for {found.chip}, {size}, in {seconds}"
    yield f"{found.toolchain} {found.version}: {what}"
    layers = [layer for binary in found.binaries for layer in binary.report.layers]
    fallen = [layer for layer in layers if layer.fallback]
    if fallen:
        kinds = ", ".join(dict.fromkeys(layer.op for layer in fallen))
        yield f"the compiler leaves {len(fallen)} of {len(layers)} layers to the CPU: {kinds}"
    for name, reason in found.host:
        yield f"segment {name} stays on the host: {reason}"


def _simulated(found: Simulation | None) -> Iterator[str]:
    if found is None or not found.toolchain:
        return
    for output in found.outputs:
        cosines = f"{output.simulated:.6f} simulated, {output.quantized:.6f} quantized here"
        yield f"{units.shortened(output.tensor, 40)}: cosine to float {cosines}"
    yield f"simulation: {found.broke}"
