"""Our networks compiled and simulated by tpu-mlir for the BM1684X.

    python -m benchmarks.toolchain_tpu_mlir [--clips 20] [--parts bev det search time] [--workspace FOLDER]

bev: the bird's-eye detector, every segment in the interpreter of the lowered network, with state from frame
to frame: mAP and each output's cosine beside float's and those of our quantized network, on unseen clips.
det: PP-OCRv4's text detector (extra `[ocr]`). search: the backbone with our plan, and with the layers in
float16 that `search_qtable` takes, at the same error. time: our predicted time of each layer beside the
compiler's, and of whole networks after a fit on the others. The toolchain has to be installed. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compiled_networks import backbones, bev_figures, built, det_figures, show
from deploykit.artifacts.binaries import BinarySet, CompileReport
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.results import NetworkResults
from deploykit.core.workspace import Workspace
from deploykit.pipeline.context import Context
from deploykit.reports.views.numbers import rank_correlation
from deploykit.stages.compile import CompileParams
from deploykit.toolchains.environments import installed, toolchain_root

CHIP = "bm1684x"
SCHEMES = ("w8a8", "float16")
NETWORKS = (("bev", "bev"), ("ocr", "det"))


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--parts", nargs="*", default=["bev", "det", "search", "time"])
    parser.add_argument("--schemes", nargs="*", default=list(SCHEMES))
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    found = installed("tpu-mlir", toolchain_root())
    figures: dict[str, Any] = {"install_s": found.install_s if found else None}
    with tempfile.TemporaryDirectory() as folder:
        place = (options.workspace or Path(folder)).absolute()
        for scheme in options.schemes:
            if "bev" in options.parts:
                figures[f"bev {scheme}"] = bev(place, scheme, options.clips)
                show(f"bev {scheme}", figures[f"bev {scheme}"])
            if "det" in options.parts:
                figures[f"det {scheme}"] = det(place, scheme)
                show(f"det {scheme}", figures[f"det {scheme}"])
        if "search" in options.parts:
            figures["search"] = search(place)
            show("search", figures["search"])
        if "time" in options.parts:
            figures["time"] = times(place, options.schemes)
            show("time", figures["time"])
    print(json.dumps(figures))


def bev(place: Path, scheme: str, count: int) -> dict[str, Any]:
    """Give the detector's figures in one scheme."""
    context, results, workspace = compiled(place, "bev", "bev", scheme)
    return {**bev_figures(context, results, workspace, count), **said(results.binaries)}


def det(place: Path, scheme: str) -> dict[str, Any]:
    """Give the text detector's figures in one scheme."""
    context, results, workspace = compiled(place, "ocr", "det", scheme)
    return {**det_figures(context, results, workspace), **said(results.binaries)}


def said(binaries: BinarySet | None) -> dict[str, Any]:
    """Give the compiler's own figures of a whole network."""
    reports = [binary.report for binary in binaries.binaries] if binaries else []
    return {
        "vendor_ms": round(1e3 * sum(report.time_s or 0.0 for report in reports), 4),
        "dram_bytes": sum(report.dram_bytes or 0 for report in reports),
    }


def compiled(
    place: Path, pipeline: str, network: str, scheme: str
) -> tuple[Context, NetworkResults, Workspace]:
    """Compile a network in the segments that its YAML names."""
    settings = [
        f"chip={CHIP}",
        f"networks.{network}.split.auto=false",
        f"networks.{network}.compile={{toolchain: tpu-mlir, chip: {CHIP}, options: {{check: none}}}}",
    ]
    if scheme != "w8a8":  # the YAML's own exceptions stand beside w8a8
        settings.append(f"networks.{network}.precision={{scheme: {scheme}}}")
    return built(place / f"{network}_{scheme}", pipeline, network, settings)


VENDOR = {"ranges": "own", "asymmetric": "false"}
"""How its own programs go about it unless told otherwise."""

CHOICES: dict[str, dict[str, str]] = {
    "our plan and ranges": {},
    "our plan and ranges, symmetric": {"asymmetric": "false"},
    "all INT8, the tool's ranges": {**VENDOR, "modes": "INT8"},
    "search_qtable, up to 5 float layers": {
        **VENDOR,
        "modes": "search",
        "expected_cos": "0.9999",
        "float_layers": "5",
    },
    "search_qtable, up to 15 float layers": {
        **VENDOR,
        "modes": "search",
        "expected_cos": "0.9999",
        "float_layers": "15",
    },
}


def search(place: Path) -> dict[str, Any]:
    """Give the backbone's error and the compiler's time as CHOICES says, on one unseen clip."""
    choices = {
        label: CompileParams("tpu-mlir", CHIP, {"check": "none", **options})
        for label, options in CHOICES.items()
    }
    found = {}
    for label, own, figures in backbones(*compiled(place, "bev", "bev", "w8a8"), choices):
        found[label] = {**figures, **said(own.binaries)}
        show(label, found[label])
    return found


def times(place: Path, schemes: Sequence[str]) -> dict[str, Any]:
    """Compare our predicted times with the compiler's: layers by rank, segments after a fit on others."""
    ranks: dict[str, Any] = {}
    segments: dict[str, tuple[float, float]] = {}
    for pipeline, network in NETWORKS:
        for scheme in schemes:
            _, results, _ = compiled(place, pipeline, network, scheme)
            assert results.costs is not None
            assert results.plan is not None
            assert results.partition is not None
            assert results.binaries is not None
            pairs: list[tuple[float, float]] = []
            for binary in results.binaries.binaries:
                pairs += layer_pairs(results.partition, results.plan, results.costs, binary.report)
                whole = sum(
                    cost.at(results.plan.scheme_of().get(cost.node, "")).time_s
                    for cost in results.costs.nodes
                    if cost.segment == binary.segment
                )
                segments[f"{network} {binary.segment} {scheme}"] = (whole, binary.report.time_s or 0.0)
            order = rank_correlation([ours for ours, _ in pairs], [theirs for _, theirs in pairs])
            ranks[f"{network} {scheme}"] = {
                "layers": len(pairs),
                "spearman": None if order is None else round(order, 3),
            }
    return {"rank": ranks, "segments": held_out(segments)}


def layer_pairs(
    partition: Partition, plan: PrecisionPlan, costs: CostReport, report: CompileReport
) -> list[tuple[float, float]]:
    """Pair our time with the compiler's for each layer that it names; a fused node's time joins its layer."""
    theirs: dict[str, int] = {}
    for layer in report.layers:
        for tensor in layer.tensors:
            theirs[tensor] = theirs.get(tensor, 0) + (layer.cycles or 0)
    schemes = plan.scheme_of()
    pending = 0.0
    pairs = []
    by_node = {cost.node: cost for cost in costs.nodes}
    for segment in partition.segments:
        for node in segment.graph.nodes:
            if node.id in by_node:
                pending += by_node[node.id].at(schemes.get(node.id, "")).time_s
            if node.outputs[0] in theirs:
                pairs.append((pending, float(theirs[node.outputs[0]])))
                pending = 0.0
    return pairs


def held_out(segments: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Predict each segment with the one factor that fits those of the other networks (median of ratios)."""
    rows = {}
    for name, (ours, theirs) in segments.items():
        network = name.split()[0]
        ratios = sorted(b / a for other, (a, b) in segments.items() if other.split()[0] != network)
        predicted = ours * ratios[len(ratios) // 2] if ratios else math.nan
        rows[name] = {
            "ours_ms": round(1e3 * ours, 4),
            "fitted_ms": round(1e3 * predicted, 4),
            "vendor_ms": round(1e3 * theirs, 4),
            "error": round(predicted / theirs - 1, 3) if theirs else None,
        }
    return rows


if __name__ == "__main__":
    main()
