"""The section of a profile that holds fitted rates."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.core.errors import InputError
from deploykit.core.profile_file import read_profile

CHIP = """name: mine
title: A chip
fallback: npu
engines:
  - name: npu
    kind: npu
    count: 1
    operators: ["*"]
    peak_ops_per_s:
      w8a8: {value: 1.0e12, source: manual}
dram:
  bandwidth_bytes_per_s: {value: 10.0e9, source: manual}
sources:
  manual: "a manual"
calibration:
  - engine: npu
    scheme: w8a8
    source: "six networks on a board"
    peak_ops_per_s: 1.0e12
    rates:
      efficiency: {conv: 0.5, stem: 0.2, pointwise: 0.6, depthwise: 0.1, grouped: 0.3, matmul: 0.3}
      bandwidth_bytes_per_s: 8.0e9
      resident_bytes: 0
      vector_bytes_per_s: {elementwise: 9.0e9, special: 5.0e9, move: 4.0e9}
      layer_overhead_s: 2.0e-6
      network_overhead_s: 5.0e-5
    spread: {log_width: 0.15, per_outside: 4.0, seen_share: {conv: 0.9}}
"""


def read(folder: Path, text: str) -> list[str]:
    """Read a profile; give its faults from the line on."""
    path = folder / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_profile(path)
    return [str(fault).partition("mine.yaml:")[2] for fault in caught.value.faults]


def test_rates_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CHIP)
    (item,) = read_profile(path).calibration
    assert (item.engine, item.scheme, item.rates.efficiency["pointwise"]) == ("npu", "w8a8", 0.6)
    assert item.spread.seen_share == {"conv": 0.9}


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    wrong = (
        CHIP.replace("engine: npu\n", "engine: nqu\n")
        .replace("conv: 0.5", "conv: 52")
        .replace("grouped: 0.3, ", "")
        .replace("8.0e9", "-8.0e9")
        .replace("six networks on a board", "")
    )
    faults = read(tmp_path, wrong)
    assert [fault.split(": ", 2)[2].split(";")[0] for fault in faults] == [
        "no engine 'nqu', did you mean 'npu'?",
        "names no measurements",
        "has no grouped",
        "must be more than zero, not -8e+09",
        "52 is impossible: a share of the peak, at most 3",
    ]
    assert all(fault.split(":")[0].isdecimal() for fault in faults)
