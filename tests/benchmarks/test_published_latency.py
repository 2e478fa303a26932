"""Rows of the published table, put together by network."""

from __future__ import annotations

import pytest

from benchmarks.published_latency import Board, measurements_of

BOARD = Board("AX650N (1 of 3 NPU cores)", "INT8", "ax650n", "w8a8", "AXERA-TECH/ax-samples")


def row(model: str, latency_ms: str = "", fps: str = "", notes: str = "", batch: str = "1") -> dict[str, str]:
    """Give a row as the published table has it."""
    return {
        "source_repo": BOARD.repo,
        "commit_or_version": "2d08c3c0ffee",
        "chip": BOARD.chip,
        "precision": BOARD.precision,
        "model": model,
        "input_shape": "1x3x224x224",
        "batch": batch,
        "latency_ms": latency_ms,
        "fps": fps,
        "notes": notes,
    }


def test_runs_of_a_network_count_once_and_rows_with_layers_on_the_cpu_do_not() -> None:
    rows = [
        row("ResNet18", latency_ms="1.2"),
        row("ResNet18", latency_ms="1.4"),
        row("ResNet18", latency_ms="90", notes="layers total=60 npu=50 gpu=None cpu=10"),
        row("ResNet50", fps="400", batch="4"),
        row("a network that nobody rebuilt", latency_ms="5"),
    ]
    found, source = measurements_of(BOARD, rows)
    assert source == "AXERA-TECH/ax-samples @2d08c3c"
    assert [(item.model, item.batch) for item in found] == [
        ("resnet18_1x3x224x224", 1),
        ("resnet50_1x3x224x224", 4),
    ]
    assert [item.latency_s for item in found] == pytest.approx([1.3e-3, 10e-3])
