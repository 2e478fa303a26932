"""What quantizing costs the bird's-eye detector, in every scheme.

    python -m benchmarks.quantization_bev [--clips 30] [--calibration 6] [--schemes w8a8 w4a16 w4a8]

Calibrated on training clips, measured on unseen ones, frame by frame with the network's own state. In 4-bit
plans, depthwise layers and the first and last one keep 8 bits. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.quantization import plan_of, size_of
from deploykit.artifacts.model import Partition, StatePair
from deploykit.core.profile import load_profile
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.split import SplitParams, split_model
from deploykit.tasks.bev import BevTask
from deploykit.toolchains.reference import ReferenceNetwork

MODEL = Path(__file__).resolve().parents[1] / "pipelines" / "models" / "bev.onnx"
SHOWN = ("map", "recall", "hidden_recall")


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--calibration", type=int, default=6, help="training clips of 6 frames")
    parser.add_argument("--schemes", nargs="*", default=["w8a8", "w8a16", "w4a16", "w4a8"])
    options = parser.parse_args()
    task = BevTask()
    clips = list(task.calibration_clips("bev", options.calibration))
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"))
        network = detector(workspace)
        rows["float32"] = {
            **measured(task, network, workspace, options.clips),
            "size_bytes": size_of(network),
        }
        show("float32", rows["float32"])
        for scheme in options.schemes:
            plan, share = plan_of(network, scheme)
            start = time.process_time()
            result = quantize(network, plan, clips, params=QuantizeParams(), workspace=workspace)
            cost = {"cpu_s": time.process_time() - start, "four_bit_share": share}
            figures = measured(task, result, workspace, options.clips)
            rows[scheme] = {**figures, **cost, "size_bytes": size_of(result)}
            show(scheme, rows[scheme])
    print(json.dumps({"clips": options.clips, "calibration": options.calibration, "detector": rows}))


def detector(workspace: Workspace) -> Partition:
    """Export the shipped detector as one segment."""
    state = (StatePair("bev_memory", "prev_bev"),)
    export = ExportParams(state=state, proof_frames=1)
    model = export_model(MODEL, (), network="bev", params=export, workspace=workspace)
    profile, _ = load_profile("rk3588")
    return split_model(model, (), profile=profile, params=SplitParams(proof_frames=1), workspace=workspace)


def measured(task: BevTask, network: Partition, workspace: Workspace, clips: int) -> dict[str, float]:
    """Run unseen clips and give the task's metrics."""
    runner = ReferenceNetwork(network, workspace)
    return dict(task.summarise([task.evaluate_clip(index, {"bev": runner}) for index in range(clips)]))


def show(label: str, row: dict[str, float]) -> None:
    """Print one row."""
    shown = "  ".join(f"{name} {row[name]:.4f}" for name in SHOWN if name in row)
    print(f"{label:10} {shown}  {row['size_bytes'] / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
