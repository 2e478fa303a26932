"""What quantizing costs a small depthwise-separable network on handwritten digits.

    python -m benchmarks.quantization_small [--schemes w8a8 w4a16 w4a8] [--without bias_correction]

`benchmarks/digits.onnx` (`tools/train_digits.py`) reads scikit-learn's digits (needs scikit-learn): 128
training images to calibrate on, all unseen ones to measure. 4-bit plans keep 8 bits in depthwise layers and
the first and last one. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.quantization import OFF, plan_of
from deploykit.artifacts.model import Partition
from deploykit.core.profile import load_profile
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.split import SplitParams, split_model
from deploykit.tasks.protocol import Array, Clip
from deploykit.toolchains.reference import ReferenceNetwork
from tools.train_digits import is_test

MODEL = Path(__file__).parent / "digits.onnx"
CALIBRATION = 128


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemes", nargs="*", default=["w8a8", "w8a16", "w4a16", "w4a8"])
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(OFF))
    options = parser.parse_args()
    images, labels = digits()
    unseen = is_test(len(images))
    clips = [Clip("train", tuple({"x": image[None]} for image in images[~unseen][:CALIBRATION]))]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"))
        network = exported(MODEL, workspace)
        exact = scores(network, workspace, images[unseen])
        rows = {"float32": row(exact, exact, labels[unseen], 0.0)}
        for scheme in options.schemes:
            plan, share = plan_of(network, scheme)
            for without in ("", *options.without):
                params = dataclasses.replace(QuantizeParams(), **OFF.get(without, {}))
                result = quantize(network, plan, clips, params=params, workspace=workspace)
                found = scores(result, workspace, images[unseen])
                label = f"{scheme} without {without}" if without else scheme
                rows[label] = row(exact, found, labels[unseen], share)
    for label, figures in rows.items():
        print(f"{label:28}", "  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    print(json.dumps({"images": int(unseen.sum()), "digits": rows}))


def digits() -> tuple[Array, Array]:
    """Give images [N, 1, 8, 8] in [0, 1], and what they show."""
    from sklearn import datasets

    found = datasets.load_digits()
    return found.images.astype(np.float32)[:, None] / 16, found.target


def exported(source: Path, workspace: Workspace, *, chip: str = "rk3588") -> Partition:
    """Export a file for a chip that runs it as one segment."""
    model = export_model(
        source, (), network=source.stem, params=ExportParams(proof_frames=1), workspace=workspace
    )
    profile, _ = load_profile(chip)
    return split_model(model, (), profile=profile, params=SplitParams(proof_frames=1), workspace=workspace)


def scores(network: Partition, workspace: Workspace, images: Array) -> Array:
    """Run all images, one after the other."""
    runner = ReferenceNetwork(network, workspace, exact=True)
    return np.concatenate([runner({"x": image[None]})["scores"] for image in images])


def row(exact: Array, found: Array, labels: Array, share: float) -> dict[str, float]:
    """Give the share of right answers, the ratio of signal to error, and the share of 4-bit weights."""
    right = 100 * float((found.argmax(1) == labels).mean())
    return {"right_percent": right, "sqnr_db": sqnr_db(exact, found), "four_bit_share": share}


def sqnr_db(exact: Array, found: Array) -> float:
    """Give the ratio of signal to error; 999 where nothing differs."""
    error = float(((exact.astype(np.float64) - found) ** 2).sum())
    return 10 * math.log10(float((exact.astype(np.float64) ** 2).sum()) / error) if error else 999.0


if __name__ == "__main__":
    main()
