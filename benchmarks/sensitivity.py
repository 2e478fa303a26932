"""Sensitivity of every layer of the BEV detector at four schemes: `python -m benchmarks.sensitivity`."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Literal, cast, get_args

from deploykit.artifacts.model import StatePair
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.sensitivity import SensitivityParams, measure_sensitivity
from deploykit.tasks.bev import BevTask
from deploykit.toolchains.reference import as_partition

MODEL = Path(__file__).resolve().parents[1] / "pipelines" / "models" / "bev.onnx"

Mode = Literal["measured", "estimated", "restored"]


def measure(mode: Mode, *, clips: int, frames: int, workers: int) -> tuple[Sensitivity, float]:
    """Measure the shipped network; gives the seconds of the stage alone."""
    task = BevTask()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"), workers=workers)
        params = ExportParams(state=(StatePair("bev_memory", "prev_bev"),))
        calibration = tuple(task.calibration_clips("bev", clips))
        model = export_model(MODEL, calibration[:1], network="bev", params=params, workspace=workspace)
        started = time.perf_counter()
        found = measure_sensitivity(
            as_partition(model),
            calibration,
            params=SensitivityParams(mode=mode, frames=frames),
            workspace=workspace,
        )
        return found, time.perf_counter() - started


def main() -> None:
    """Print a table of layers, then JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=get_args(Mode), default="measured")
    parser.add_argument("--clips", type=int, default=6, help="calibration clips of 6 frames")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found, wall_s = measure(
        cast(Mode, options.mode), clips=options.clips, frames=options.frames, workers=options.workers
    )
    for layer in found.layers:
        print(f"{layer.layer:40}", *(f"{item.scheme} {item.sqnr_db:6.1f} dB" for item in layer.errors))
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        json.dumps(
            {
                "mode": found.mode,
                "layers": len(found.layers),
                "schemes": [item.scheme for item in found.whole],
                "frames": found.frames,
                "workers": options.workers,
                "wall_s": round(wall_s, 1),
                "cpu_s": round(sum(one.ru_utime + one.ru_stime for one in usage), 1),
                "whole_sqnr_db": {item.scheme: round(item.sqnr_db, 1) for item in found.whole},
                "whole_over_sum": {
                    item.scheme: None
                    if (factor := found.additivity(item.scheme)) is None
                    else round(factor, 2)
                    for item in found.whole
                },
            }
        )
    )


if __name__ == "__main__":
    main()
