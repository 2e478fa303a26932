"""A profile is calibrated on six networks that a made-up chip ran: 60 % of 1 TOPS, 100 us a network."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx.parser
import pytest

from deploykit.analysis.calibration.layer_measurements import MeasuredLayer
from deploykit.analysis.calibration.measurements import Measurement, read_measurements
from deploykit.artifacts.layer_table import LayerRow, NetworkTable
from deploykit.core.errors import InputError
from deploykit.core.profile import ChipProfile
from deploykit.core.profile_file import read_profile
from deploykit.stages.fit_profile import SchemeFit, fit_profile
from deploykit.stages.fit_profile.networks import at_batch, layers_of, network_faults
from deploykit.stages.fit_profile.section import merged, with_calibration, write_calibration

CHIP = """name: mine  # a board of ours
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
  bandwidth_bytes_per_s: {value: 50.0e9, source: manual}
sources:
  manual: "a manual"
"""

WIDTHS = (64, 80, 96, 112, 128, 144)
"""Channels of networks of one 3x3 convolution over 56x56."""


def macs(width: int) -> int:
    """Give the MACs of such a network."""
    return width * width * 9 * 56 * 56


def layers() -> list[tuple[LayerRow, ...]]:
    """Give the layers of the six networks."""
    area = 56 * 56
    return [
        (LayerRow("conv", macs(width), width * area, width * area, 9 * width * width, width * area),)
        for width in WIDTHS
    ]


def board(*, scale: float = 1.0) -> list[Measurement]:
    """Give what the networks took on the board, `scale` times."""
    return [
        Measurement(
            f"board.csv:{line}",
            f"conv{width}",
            "",
            1,
            "w8a8",
            scale * (2 * macs(width) / 0.6e12 + 1e-4),
            f"of {width}",
        )
        for line, width in enumerate(WIDTHS, start=2)
    ]


@pytest.fixture
def chip(tmp_path: Path) -> ChipProfile:
    """Give the chip of this file."""
    path = tmp_path / "mine.yaml"
    path.write_text(CHIP)
    return read_profile(path)


def fitted(chip: ChipProfile) -> SchemeFit:
    """Fit the chip to the board."""
    (result,) = fit_profile(chip, board(), layers(), source="board.csv")
    return result


def test_six_networks_calibrate_a_chip(chip: ChipProfile) -> None:
    result = fitted(chip)
    assert result.calibration.source == "board.csv: 6 networks"
    assert result.calibration.rates.efficiency["conv"] == pytest.approx(0.6, rel=0.1)
    assert result.fit.held_out[0].mean_error < 0.05
    assert result.fit.held_out[0].spec_mean_error > 0.3


def test_the_section_is_read_back_as_it_was_written(chip: ChipProfile, tmp_path: Path) -> None:
    item = fitted(chip).calibration
    write_calibration(tmp_path / "mine.yaml", tmp_path / "ours.yaml", chip, [item])
    (read,) = read_profile(tmp_path / "ours.yaml").calibration
    assert read.rates.efficiency["conv"] == pytest.approx(item.rates.efficiency["conv"], rel=0.005)
    assert (read.source, read.held_out[0].networks) == (item.source, 6)
    assert "manual:" in (tmp_path / "ours.yaml").read_text()


def test_a_section_is_written_anew_not_twice(chip: ChipProfile) -> None:
    item = fitted(chip).calibration
    once = with_calibration(CHIP, [item])
    assert with_calibration(once, [item]) == once
    assert once.startswith(CHIP.rstrip())
    assert merged([item], [item]) == (item,)


def test_a_latency_in_another_unit_is_refused(chip: ChipProfile) -> None:
    rows = board()
    rows[2] = board(scale=1000)[2]
    with pytest.raises(InputError) as caught:
        fit_profile(chip, rows, layers(), source="board.csv")
    (fault,) = caught.value.faults
    assert (fault.where, fault.fix) == (
        "board.csv:4",
        "is it in another unit? latency_ms is in milliseconds",
    )


def test_a_whole_file_in_another_unit_is_refused(chip: ChipProfile) -> None:
    with pytest.raises(InputError, match="times what the chip's peak allows"):
        fit_profile(chip, board(scale=1e-3), layers(), source="board.csv")


def test_too_few_networks_and_no_peak_are_told_at_once(chip: ChipProfile) -> None:
    half = Measurement("board.csv:9", "conv64", "", 1, "float16", 1e-3, "")
    with pytest.raises(InputError) as caught:
        fit_profile(chip, [*board(), half], [*layers(), layers()[0]], source="board.csv")
    assert [fault.what for fault in caught.value.faults] == [
        "the profile has no peak of npu at float16",
        "1 networks at float16 are too few",
    ]


def test_layers_measured_alone_tell_kinds_that_the_networks_lack(chip: ChipProfile) -> None:
    alone = [
        MeasuredLayer(LayerRow("softmax", 0, 0, size, 0, size), 2 * size / 2e9) for size in (10**6, 2 * 10**6)
    ]
    (result,) = fit_profile(chip, board(), layers(), source="board.csv", alone=alone)
    assert result.calibration.source == "board.csv: 6 networks, 2 layers"
    assert result.calibration.rates.vector_bytes_per_s["special"] == pytest.approx(2e9, rel=0.15)
    assert result.calibration.spread.seen_share["softmax"] == pytest.approx(1.0)
    assert len(result.fit.networks) == 6


def test_networks_come_from_onnx_files_too(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[1,8,4,4] x) => (float[1,8,4,4] y)
        <float[8,8,1,1] w = {%s}> { y = Conv(x, w) }"""
    onnx.save(onnx.parser.parse_model(text % ",".join(["0.5"] * 64)), tmp_path / "tiny.onnx")
    (tmp_path / "board.csv").write_text("model,latency_ms\ntiny.onnx,3\n")
    rows = read_measurements(tmp_path / "board.csv")
    ((row,),) = layers_of(rows, tmp_path)
    assert (row.kind, row.macs, row.weight_elements) == ("pointwise", 8 * 8 * 16, 64)


def test_unknown_networks_stand_beside_the_other_faults_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "board.csv"
    path.write_text("model,latency_ms\nresnet05,3\nmissing.onnx,3\nresnet18,-1\n")
    with pytest.raises(InputError) as caught:
        read_measurements(path, check=lambda row: network_faults(row, tmp_path))
    assert [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults] == [
        "board.csv:2: no network 'resnet05', did you mean 'resnet50'?; name a network of `deploykit profile "
        "networks`, or an ONNX file beside this one",
        f"board.csv:3: no file missing.onnx; paths start at {tmp_path}",
        "board.csv:4: latency_ms is -1; a number above zero",
    ]


def test_a_batch_reads_its_weights_once() -> None:
    table = NetworkTable("n", "", (1, 3, 8, 8), 1, 50, (LayerRow("conv", 100, 10, 30, 50, 20, 2),))
    assert at_batch(table, 4) == (LayerRow("conv", 400, 40, 120, 50, 80, 2),)
