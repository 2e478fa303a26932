"""Files of measured layers, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.analysis.calibration.layer_measurements import MeasuredLayer, read_layers
from deploykit.artifacts.layer_table import LayerRow
from deploykit.core.errors import InputError


def test_a_row_is_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("name,kind,latency_us,macs,read_elements,write_elements\nc1,conv,12.5,100,30,20\n")
    assert read_layers(path) == (MeasuredLayer(LayerRow("conv", 100, 0, 30, 0, 20), 12.5e-6),)


def test_every_fault_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("kind,latency_us,read_elements,write_elements\nconf,-1,3,x\nconv,1,1,1\npool,,1,1\n")
    with pytest.raises(InputError) as caught:
        read_layers(path)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == [
        "2: no layer kind 'conf', did you mean 'conv'?",
        "2: write_elements is 'x'; a whole number, 0 or more",
        "2: latency_us is '-1'; a number above zero",
        "4: latency_us is ''; a number above zero",
    ]


def test_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("kind,latency_ms\nconv,1\n")
    with pytest.raises(InputError, match="no column 'latency_ms', did you mean 'latency_us'"):
        read_layers(path)


def test_a_row_that_ends_early_is_told_and_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("latency_us,read_elements,write_elements,kind\n1,2,3\n1,2,3,conv,5\n")
    with pytest.raises(InputError) as caught:
        read_layers(path)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == [
        "2: 3 cells where the first line has 4 columns",
        "3: 5 cells where the first line has 4 columns",
    ]
