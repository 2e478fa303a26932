"""What quantizing costs a network whose depthwise layers collapse: EfficientNet-Lite0 on photographs.

    python -m benchmarks.quantization_photos MODEL.onnx [--schemes w8a8 w4a16 w4a8] [--without equalisation]

`MODEL.onnx` comes from `tools/export_efficientnet_lite.py`. Crops of the photographs of scikit-image and
scikit-learn (`pip install scikit-image scikit-learn`): those of half of the photographs to calibrate on,
those of the other half to measure. Judged is how often the network names the same of 1000 classes as in
float, since the photographs have no labels. onnxruntime's static quantization stands beside ours, each with
percentile ranges. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from PIL import Image

from benchmarks.quantization import OFF, Lines, OrtNetwork, plan_of, read, size_of
from benchmarks.quantization_small import exported, sqnr_db
from deploykit.core.packages import package_file
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Array, Clip
from deploykit.toolchains.reference import ReferenceNetwork

CALIBRATION = ("brick.png", "camera.png", "clock_motion.png", "coffee.png", "gravel.png", "ihc.png",
               "moon.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg", "rocket.jpg",
               "china.jpg")  # fmt: skip  # one line a handful
MEASURED = ("astronaut.png", "cell.png", "chelsea.png", "coins.png", "color.png", "grass.png", "horse.png",
            "hubble_deep_field.jpg", "microaneurysms.png", "page.png", "text.png",
            "flower.jpg")  # fmt: skip  # one line a handful
SIZE = 224
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--schemes", nargs="*", default=["w8a8", "w4a16", "w4a8"])
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(OFF))
    parser.add_argument("--crops", type=int, nargs=2, default=(48, 128), help="to calibrate, to measure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--same-photographs", action="store_true", help="measure on those calibrated on")
    parser.add_argument("--no-peer", action="store_true", help="leave onnxruntime's own quantization out")
    options = parser.parse_args()
    # crops of one photograph together, as frames of a clip are: halves of the data judge each other
    calibration = sorted(crops(CALIBRATION, options.crops[0], seed=options.seed), key=lambda clip: clip.name)
    photographs = CALIBRATION if options.same_photographs else MEASURED
    measured = [(clip, "") for clip in crops(photographs, options.crops[1], seed=options.seed + 1)]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"))
        network = exported(options.model, workspace)
        exact = np.concatenate(read(ReferenceNetwork(network, workspace, exact=True), measured))
        rows = {}
        for scheme in options.schemes:
            plan, share = plan_of(network, scheme)
            for without in ("", *options.without):
                params = dataclasses.replace(QuantizeParams(), **OFF.get(without, {}))
                start = time.process_time()
                result = quantize(network, plan, calibration, params=params, workspace=workspace)
                cpu_s = time.process_time() - start
                found = np.concatenate(read(ReferenceNetwork(result, workspace, exact=True), measured))
                label = f"{scheme} without {without}" if without else scheme
                rows[label] = row(exact, found, size_of(result), cpu_s, share)
                show(label, rows[label])
            if not options.no_peer:
                label = f"onnxruntime {scheme}"
                found, size, cpu_s = peer(options.model, scheme, calibration, measured, Path(folder))
                rows[label] = row(exact, found, size, cpu_s, float(scheme.startswith("w4")))
                show(label, rows[label])
    print(json.dumps({"crops": len(measured), "photographs": rows}))


def crops(photographs: Sequence[str], count: int, *, seed: int) -> list[Clip]:
    """Give random squares of photographs as clips of one frame, each at least half of its photograph high."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        name = photographs[index % len(photographs)]
        place = "sklearn/datasets/images" if name in ("china.jpg", "flower.jpg") else "skimage/data"
        with Image.open(package_file(f"package:{place}/{name}", name)) as file:
            image = file.convert("RGB")
        side = int(min(image.size) * random.uniform(0.5, 1.0))
        left, top = (int(random.integers(0, length - side + 1)) for length in image.size)
        box = (left, top, left + side, top + side)
        pixels = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box), np.float64) / 255
        values = ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)
        frames.append(Clip(f"{name} {index}", ({"image": values},)))
    return frames


def peer(
    source: Path, scheme: str, calibration: Sequence[Clip], measured: Sequence[tuple[Clip, str]], folder: Path
) -> tuple[Array, int, float]:
    """Let onnxruntime quantize the network per channel; give outputs, file size and CPU seconds."""
    target = folder / f"peer_{scheme}.onnx"
    start = time.process_time()
    quantize_static(
        str(source),
        str(target),
        Lines(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt4 if scheme.startswith("w4") else QuantType.QInt8,
        activation_type=QuantType.QUInt16 if scheme.endswith("a16") else QuantType.QUInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )
    cpu_s = time.process_time() - start
    return np.concatenate(read(OrtNetwork(target), measured)), target.stat().st_size, cpu_s


def row(exact: Array, found: Array, size: int, cpu_s: float, share: float) -> dict[str, float]:
    """Give the share of crops with the same class, the ratio of signal to error, and what it took."""
    same = float((exact.argmax(1) == found.argmax(1)).mean())
    figures = {"same_class": same, "sqnr_db": sqnr_db(exact, found), "four_bit_share": share}
    return figures | {"size_bytes": float(size), "cpu_s": cpu_s}


def show(label: str, figures: dict[str, float]) -> None:
    """Print one row."""
    print(f"{label:32}", "  ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
