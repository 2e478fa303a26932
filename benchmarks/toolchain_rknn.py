"""Our networks compiled and simulated by RKNN-Toolkit2.

    python -m benchmarks.toolchain_rknn [--clips 20] [--parts bev det ranges] [--workspace FOLDER]

bev: the bird's-eye detector, every segment but GridSample in Rockchip's simulator, state from frame to
frame: mAP and each output's cosine beside float's and those of our quantized network, on unseen clips. det:
PP-OCRv4's text detector (extra `[ocr]`). ranges: the backbone in w8a8 with our ranges, the toolkit's own, and
those layers in float16 that its automatic search takes. The toolkit has to be installed. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.compiled_networks import backbones, bev_figures, built, det_figures, show
from deploykit.artifacts.results import NetworkResults
from deploykit.core.workspace import Workspace
from deploykit.pipeline.context import Context
from deploykit.stages.compile import CompileParams
from deploykit.toolchains.environments import installed, toolchain_root

BUILDS = (("rk3588", "w8a8"), ("rk3588", "float16"), ("rk3576", "w4a16"))

CHOICES: dict[str, dict[str, str]] = {
    "our ranges": {},
    "toolkit, normal": {"ranges": "own"},
    "toolkit, kl_divergence": {"ranges": "own", "algorithm": "kl_divergence"},
    "toolkit, auto_hybrid 0.995": {"auto_hybrid": "0.995"},
    "toolkit, auto_hybrid 0.999": {"auto_hybrid": "0.999"},
}


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--parts", nargs="*", default=["bev", "det", "ranges"])
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    found = installed("rknn", toolchain_root())
    figures: dict[str, Any] = {"install_s": found.install_s if found else None}
    with tempfile.TemporaryDirectory() as folder:
        place = options.workspace or Path(folder)
        for chip, scheme in BUILDS:
            if "bev" in options.parts:
                figures[f"bev {chip} {scheme}"] = bev(place, chip, scheme, options.clips)
                show(f"bev {chip} {scheme}", figures[f"bev {chip} {scheme}"])
            if "det" in options.parts:
                figures[f"det {chip} {scheme}"] = det(place, chip, scheme)
                show(f"det {chip} {scheme}", figures[f"det {chip} {scheme}"])
        if "ranges" in options.parts:
            figures["ranges"] = ranges(place)
            show("ranges", figures["ranges"])
    print(json.dumps(figures))


def bev(place: Path, chip: str, scheme: str, count: int) -> dict[str, Any]:
    """Give the detector's figures for one build."""
    return bev_figures(*compiled(place, "bev", "bev", chip, scheme), count)


def det(place: Path, chip: str, scheme: str) -> dict[str, Any]:
    """Give the text detector's figures for one build."""
    return det_figures(*compiled(place, "ocr", "det", chip, scheme))


def compiled(
    place: Path, pipeline: str, network: str, chip: str, scheme: str
) -> tuple[Context, NetworkResults, Workspace]:
    """Compile a network for one build."""
    settings = (
        f"chip={chip}",
        f"networks.{network}.precision={{scheme: {scheme}}}",
        f"networks.{network}.compile={{toolchain: rknn, chip: {chip}}}",
    )
    return built(place / pipeline / f"{chip}_{scheme}", pipeline, network, settings)


def ranges(place: Path) -> dict[str, Any]:
    """Give the backbone's error, cycles and float16 layers in w8a8, as CHOICES says, on one unseen clip."""
    choices = {label: CompileParams("rknn", "rk3588", options) for label, options in CHOICES.items()}
    found = {}
    for label, own, figures in backbones(*compiled(place, "bev", "bev", "rk3588", "w8a8"), choices):
        assert own.binaries is not None
        report = own.binaries.binaries[0].report
        found[label] = {
            "cosine": figures["cosine"]["simulated"],
            "npu_cycles": report.cycles,
            "conversions": sum(layer.op == "exDataConvert" for layer in report.layers),
        }
        show(label, found[label])
    return found


if __name__ == "__main__":
    main()
