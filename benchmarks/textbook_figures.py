"""Print the textbook figures of the roofline literature beside the clean accounting.

    python -m benchmarks.textbook_figures

Textbook: MACs with the bias, bytes = parameters plus outputs of the layers that have MACs, one operation a
MAC, float32. Clean: 2 operations a MAC, vector operations, all operands, after fusion. Beside them stands
what the literature rounds to. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from deploykit.analysis.graph_work import textbook
from deploykit.analysis.network_tables import load_table
from deploykit.analysis.op_costs import Access, Work
from deploykit.artifacts.layer_table import LayerRow, NetworkTable

FLOAT_BYTES = 4
NETWORKS = {
    "VGG16": "vgg16_1x3x224x224",
    "VGG16, global pooling": "vgg16_pooled_1x3x224x224",
    "MobileNet v1": "mobilenet_v1_1x3x224x224",
}
LITERATURE = {"VGG16": "15.5 GMACs, 600 MB, 25 ops/B", "MobileNet v1": "74 MB, twice what the formula gives"}
BANDWIDTHS = {"DDR4-2666, 6 channels of 8 B": 2666e6 * 8 * 6, "GDDR6 at 14 Gbps, 48 B": 14e9 * 48}
"""Transfers a second x bytes a transfer x channels."""


@dataclass(frozen=True)
class Figures:
    """MACs, bytes at float32 and operations per byte, by both accountings."""

    macs: int
    moved_bytes: int
    intensity: float
    clean_macs: int
    clean_bytes: int
    clean_intensity: float


def main() -> int:
    """Print the networks, then the bandwidths."""
    found = {label: figures(load_table(name)) for label, name in NETWORKS.items()}
    print(f"{'':<24}{'GMACs':>9}{'MB':>8}{'ops/B':>8}   clean:{'GMACs':>9}{'MB':>8}{'ops/B':>8}  literature")
    for label, each in found.items():
        print(
            f"{label:<24}{each.macs / 1e9:>9.3f}{each.moved_bytes / 1e6:>8.1f}{each.intensity:>8.1f}"
            f"{'':>9}{each.clean_macs / 1e9:>9.3f}{each.clean_bytes / 1e6:>8.1f}{each.clean_intensity:>8.1f}"
            f"  {LITERATURE.get(label, '')}"
        )
    ratio = found["VGG16, global pooling"].intensity / found["VGG16"].intensity
    print(f"\nintensity without the two big layers: {ratio:.1f} times")
    for label, bandwidth in BANDWIDTHS.items():
        print(f"{label}: {bandwidth / 1e9:.0f} GB/s")
    result = {
        "benchmark": "textbook_figures",
        "networks": {label: vars(each) for label, each in found.items()},
        "intensity_ratio": round(ratio, 2),
        "bandwidth_bytes_per_s": BANDWIDTHS,
    }
    print(json.dumps(result))
    return 0


def figures(table: NetworkTable) -> Figures:
    """Sum up a network's layers by both accountings."""
    simple = [(textbook(_work(row)), row.count) for row in table.rows]
    macs = sum(work.macs * count for work, count in simple)
    moved = FLOAT_BYTES * sum((work.weight_elements + work.write_elements) * count for work, count in simple)
    ops = sum((2 * row.macs + row.vector_ops) * row.count for row in table.rows)
    elements = sum(
        (row.read_elements + row.weight_elements + row.write_elements) * row.count for row in table.rows
    )
    clean_bytes = FLOAT_BYTES * elements
    return Figures(macs, moved, macs / moved, table.macs, clean_bytes, ops / clean_bytes)


def _work(row: LayerRow) -> Work:
    weights = Access("weight", "float", "weight", row.weight_elements)
    output = Access("output", "float", "activation", row.write_elements)
    reads = (weights,) if row.weight_elements else ()
    return Work(row.macs, reads=reads, writes=(output,))


if __name__ == "__main__":
    sys.exit(main())
