"""Vela's output for benchmarks/digits.onnx (w8a8) on Ethos-U65-512."""

from __future__ import annotations

from pathlib import Path

from deploykit.artifacts.binaries import VendorBuffer
from deploykit.toolchains.vela import parse_report
from deploykit.toolchains.vela.report import repeated, with_names

TEXT = Path(__file__).with_name("digits_ethos-u65-512.txt").read_text("utf-8")

CPU = """
Warning (supported operators) operator: MUL, ofm: 'c'
Reason: Operation has tensor with unsupported DataType Float32 (a)
Warning (supported operators) operator: ADD, ofm: 'd'
Reason: Operation has tensor with unsupported DataType Float32 (b)

Original Operator,NNG Operator,Target,Staging Usage,Peak% (Staging),Op Cycles,Network% (cycles),NPU,SRAM AC,DRAM AC,OnFlash AC,OffFlash AC,MAC Count,Network% (MAC),Util% (MAC),Name
Mul,Passthrough,CPU,0,0.0,0,0.0,0,0,0,0,0,0,0.0,100,c
Add,Passthrough,CPU,0,0.0,0,0.0,0,0,0,0,0,0,0.0,100,d
"""


def test_a_layer_takes_the_longest_of_its_parts() -> None:
    layers = parse_report(TEXT).layers
    third = next(layer for layer in layers if layer.name == "r2")
    assert (third.op, third.engine, third.fallback) == ("Conv2D", "NPU", False)
    assert (third.cycles, third.macs, third.sram_bytes) == (1101, 32768, 4064)
    assert dict(third.terms) == {"compute": 1101, "sram": 234, "dram": 85}


def test_the_whole_has_time_bytes_and_the_plan() -> None:
    report = parse_report(TEXT)
    assert report.cycles == sum(layer.cycles or 0 for layer in report.layers)
    assert report.time_s == report.cycles / 1e9  # U65 at 1 GHz
    assert report.sram_peak_bytes == 8208
    assert VendorBuffer("r0", 0, 1024, "Sram", 0, 4, "NHCWB16") in report.buffers
    assert VendorBuffer("w0", 0, 448, "read-only", 0, 2) in report.buffers
    assert report.notices == ()


def test_a_step_that_prepares_counts_to_the_layer_behind_it() -> None:
    names = {name: name for name in ("r0", "pooled", "scores")}
    layers = {layer.name: layer.tensors for layer in with_names(parse_report(TEXT), names).layers}
    assert layers["pooled_intermediate"] == ("pooled",)
    assert layers["scores"] == ("scores",)


def test_a_batch_that_runs_apart_costs_as_often() -> None:
    once, six = parse_report(TEXT), repeated(parse_report(TEXT), 6)
    assert once.cycles is not None
    assert six.cycles == 6 * once.cycles
    assert six.layers[0].cycles == 6 * (once.layers[0].cycles or 0)
    assert six.sram_peak_bytes == once.sram_peak_bytes
    assert "6 times a frame" in six.notices[-1]


def test_what_stays_on_the_cpu_is_named_with_its_reason() -> None:
    report = parse_report(CPU)
    assert [(layer.fallback, layer.cycles) for layer in report.layers] == [(True, None)] * 2
    assert report.notices == (
        "left to the CPU: c (MUL), d (ADD): Operation has tensor with unsupported DataType Float32",
        "2 operators run on the CPU, and Vela counts no cycles for them: its total lacks them",
    )


def test_another_text_gives_an_empty_report() -> None:
    assert parse_report("vela: command not found\n").layers == ()
