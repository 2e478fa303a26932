"""Published latencies whose networks have layer tables, chip by chip."""

from __future__ import annotations

import csv
import os
import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.analysis.calibration.measurements import Measurement, family_of
from deploykit.analysis.network_tables import PublishedNetwork, published_networks


@dataclass(frozen=True)
class Board:
    """A chip's rows of the published table: its name and precision there, and our profile and scheme."""

    chip: str
    precision: str
    profile: str
    scheme: str
    repo: str


BOARDS = (
    Board("AX650N (1 of 3 NPU cores)", "INT8", "ax650n", "w8a8", "AXERA-TECH/ax-samples"),
    Board("RDK X5 (Horizon Sunrise X5, BPU Bayes-e)", "INT8", "rdk-x5", "w8a8", "D-Robotics/rdk_model_zoo"),
    Board("RK3588 (1 of 3 NPU cores)", "INT8", "rk3588", "w8a8", "airockchip/rknn_model_zoo"),
    Board("RK3576 (1 of 2 NPU cores)", "INT8", "rk3576", "w8a8", "airockchip/rknn_model_zoo"),
    Board("BM1684X", "INT8", "bm1684x", "w8a8", "sophgo/sophon-demo"),
    Board("BM1684X", "FP16", "bm1684x", "float16", "sophgo/sophon-demo"),
    Board("BM1684X", "FP32", "bm1684x", "float32", "sophgo/sophon-demo"),
    Board("QCS8550", "float", "qcs8550", "float16", "quic/ai-hub-models"),
    Board("QCS8550", "w8a8", "qcs8550", "w8a8", "quic/ai-hub-models"),
    Board("QCS6490", "w8a8", "qcs6490", "w8a8", "quic/ai-hub-models"),
    Board("SA8775P", "float", "sa8775p", "float16", "quic/ai-hub-models"),
    Board("SA8775P", "w8a8", "sa8775p", "w8a8", "quic/ai-hub-models"),
    Board("Jetson AGX Orin 64GB (GPU)", "FP16", "orin-agx", "float16", "ultralytics/ultralytics"),
    Board("Jetson AGX Orin 64GB (GPU)", "INT8", "orin-agx", "w8a8", "ultralytics/ultralytics"),
    Board("Jetson Orin NX 16GB (GPU)", "FP16", "orin-nx", "float16", "ultralytics/ultralytics"),
    Board("Jetson Orin Nano Super 8GB (GPU)", "FP16", "orin-nano", "float16", "ultralytics/ultralytics"),
    Board("TDA4VM", "INT8 (FP32 on AM62 CPU)", "tda4vm", "w8a8", "TexasInstruments/edgeai-tensorlab"),
    Board("Kendryte K230", "u8/u8 (INT8)", "k230", "w8a8", "kendryte/nncase"),
    Board("Hailo-8", "INT8 (A8W8; A8W4 for some layers)", "hailo-8", "w8a8", "hailo-ai/hailo_model_zoo"),
)
"""In the order of the printed table. The last is a dataflow chip: the model is not made for it."""


TRANSFORMERS = ("deit", "edgenext", "efficientformer", "efficientvit", "fastvit", "swin", "vit_", "yolo12")
"""How the tables of transformers begin, and of convolutional networks with parts of them."""


def is_transformer(table: str) -> bool:
    """Say whether a network is a transformer or a hybrid of one, by its family."""
    return table.startswith(TRANSFORMERS)


def published_table() -> Path | None:
    """Give the file of published latencies, if the environment names its folder."""
    path = Path(os.environ.get("DEPLOYKIT_GOLDEN", "")) / "latency" / "published.csv"
    return path if path.is_file() else None


def read_rows(table: Path) -> list[dict[str, str]]:
    """Read the published table."""
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def measurements_of(board: Board, rows: list[dict[str, str]]) -> tuple[list[Measurement], str]:
    """Give a board's measurements by the names of our tables, and the source: repository, file, commit.

    Runs of one network, such as those of several runtimes, count once, at their middle; rows with layers on
    the CPU do not count.
    """
    known = {(item.source_repo, item.model, item.input_shape): item for item in published_networks()}
    found: dict[tuple[str, int], list[tuple[float, PublishedNetwork]]] = {}
    own = [row for row in rows if (row["chip"], row["precision"]) == (board.chip, board.precision)]
    for row in own:
        item = known.get((row["source_repo"], row["model"], row["input_shape"]))
        if item is not None and item.table and not _on_cpu(row["notes"]) and (time_s := _latency_s(row)):
            found.setdefault((item.table, int(row["batch"] or 1)), []).append((time_s, item))
    source = next((f"{row['source_repo']} @{row['commit_or_version'][:7]}" for row in own), "")
    return list(_measurements(board, found)), source


def _measurements(
    board: Board, found: Mapping[tuple[str, int], list[tuple[float, PublishedNetwork]]]
) -> Iterator[Measurement]:
    for (table, batch), runs in found.items():
        latency_s = statistics.median(time_s for time_s, _ in runs)
        yield Measurement(table, table, "", batch, board.scheme, latency_s, family_of(runs[0][1].model))


def _latency_s(row: Mapping[str, str]) -> float | None:
    """Give the seconds of one run of the whole batch; a rate counts every sample."""
    if row["latency_ms"]:
        return float(row["latency_ms"]) / 1e3
    return int(row["batch"] or 1) / float(row["fps"]) if row["fps"] else None


def _on_cpu(notes: str) -> bool:
    return any(int(count) > 0 for count in re.findall(r"\bcpu=(\d+)", notes))
