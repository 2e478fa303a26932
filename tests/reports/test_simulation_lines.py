"""What a compiler and a simulator said, in sentences."""

from __future__ import annotations

from deploykit.artifacts.binaries import Binary, BinarySet, CompileReport, VendorLayer
from deploykit.artifacts.results import NetworkResults
from deploykit.artifacts.simulation import OutputCosine, Simulation
from deploykit.core.blob import Blob
from deploykit.reports.views.simulation import simulation_lines


def test_nothing_compiled_says_nothing() -> None:
    assert simulation_lines(NetworkResults("net")) == ()
    empty = NetworkResults(
        "net", binaries=BinarySet("net", "", "", "", ()), simulation=Simulation("net", "", "")
    )
    assert simulation_lines(empty) == ()


def test_binaries_fallback_hosts_and_cosines_are_told() -> None:
    layers = (VendorLayer("a", "Conv", engine="NPU"), VendorLayer("b", "Exp", engine="CPU", fallback=True))
    binary = Binary("head", (Blob("0" * 64, "head.rknn", 2_000_000),), CompileReport(layers), 1.5)
    made = BinarySet("net", "rknn", "2.5.0", "rk3588", (binary,), (("warp", "planned for the CPU"),))
    seen = Simulation("net", "rknn", "rk3588", outputs=(OutputCosine("y", 0.99, 0.98),), broke="no step")
    assert simulation_lines(NetworkResults("net", binaries=made, simulation=seen)) == (
        "rknn 2.5.0: 1 binary for rk3588, 2.00 MB, in 1.50 s",
        "the compiler leaves 1 of 2 layers to the CPU: Exp",
        "segment warp stays on the host: planned for the CPU",
        "y: cosine to float 0.980000 simulated, 0.990000 quantized here",
        "simulation: no step",
    )
