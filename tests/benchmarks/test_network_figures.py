"""Figures that benchmarks take from layer tables."""

from __future__ import annotations

import pytest

from benchmarks.textbook_figures import BANDWIDTHS, figures
from benchmarks.torchvision_macs import EXPLAINED, Line, read_lines
from deploykit.artifacts.layer_table import LayerRow, NetworkTable


def test_textbook_and_clean_figures_of_two_layers() -> None:
    """A 1x1 convolution, 8 to 4 channels on 10 positions with bias, twice; and a pool."""
    rows = (LayerRow("pointwise", 320, 40, 80, 36, 40, 2), LayerRow("pool", 0, 40, 40, 0, 4))
    found = figures(NetworkTable("toy", "test", (1, 8, 10, 1), 1, 72, rows))
    assert found.macs == 2 * (320 + 40)  # the bias counts
    assert found.moved_bytes == 4 * 2 * (36 + 40)  # parameters and outputs, the pool nothing
    assert found.intensity == pytest.approx(720 / 608)
    assert found.clean_macs == 640
    assert found.clean_bytes == 4 * (2 * (80 + 36 + 40) + 44)
    assert found.clean_intensity == pytest.approx((2 * 640 + 80 + 40) / found.clean_bytes)


def test_bandwidths_of_the_textbook() -> None:
    assert sorted(round(each / 1e9) for each in BANDWIDTHS.values()) == [128, 672]


def test_a_line_is_close_within_a_hundredth_of_both() -> None:
    assert Line("a", 1e9, 1_009_000_000, 1000, 991).close
    assert not Line("a", 1e9, 1_011_000_000, 1000, 1000).close
    assert not Line("a", 1e9, 1_000_000_000, 1000, 989).close


def test_only_differences_are_explained() -> None:
    lines = {line.model: line for line in read_lines()[0]}
    assert not [model for model in EXPLAINED if model in lines and lines[model].close]
