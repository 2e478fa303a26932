"""The ranks that the benchmark compares times by."""

from __future__ import annotations

import math

import pytest

from benchmarks.toolchain_tpu_mlir import held_out, ranked, spearman


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert ranked([3.0, 1.0, 3.0, 2.0]) == [2.5, 0.0, 2.5, 1.0]


def test_the_rank_correlation_knows_order_alone() -> None:
    assert spearman([(1, 10), (2, 1000), (3, 1001)]) == pytest.approx(1)
    assert spearman([(1, 3), (2, 2), (3, 1)]) == pytest.approx(-1)
    # ranks 0 1 2 3 and 1 0 2 3: 1 - 6 x 2 / (4 x 15)
    assert spearman([(1, 2), (2, 1), (3, 3), (4, 4)]) == pytest.approx(0.8)
    assert math.isnan(spearman([(1, 1)]))


def test_a_segment_is_predicted_from_other_networks_alone() -> None:
    found = held_out({"a x w8a8": (1e-3, 2e-3), "a y w8a8": (1e-3, 9e-3), "b x w8a8": (2e-3, 4e-3)})
    assert found["a x w8a8"]["fitted_ms"] == 2.0  # b's factor is 2
    assert found["a x w8a8"]["error"] == 0.0
    assert found["b x w8a8"]["fitted_ms"] == 18.0  # the upper median of 2 and 9
