"""The fit that the benchmark predicts segments by."""

from __future__ import annotations

from benchmarks.toolchain_tpu_mlir import held_out


def test_a_segment_is_predicted_from_other_networks_alone() -> None:
    found = held_out({"a x w8a8": (1e-3, 2e-3), "a y w8a8": (1e-3, 9e-3), "b x w8a8": (2e-3, 4e-3)})
    assert found["a x w8a8"]["fitted_ms"] == 2.0  # b's factor is 2
    assert found["a x w8a8"]["error"] == 0.0
    assert found["b x w8a8"]["fitted_ms"] == 18.0  # the upper median of 2 and 9
