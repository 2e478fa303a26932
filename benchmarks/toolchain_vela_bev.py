"""The bird's-eye detector on Ethos-U: compiled by Vela, simulated by LiteRT, state from frame to frame.

    python -m benchmarks.toolchain_vela_bev [--clips 20] [--chip ethos-u65-512] [--workspace FOLDER]

mAP and each output's cosine on unseen clips: float, our quantized network, the simulated chain (segments that
Vela does not take run in onnxruntime). Vela has to be installed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.toolchain_rknn import PIPELINES, Recorded, compared, runs
from deploykit.core.store import Store
from deploykit.core.workspace import Quiet, Workspace
from deploykit.pipeline.run import load_contexts, locked, run_pipeline
from deploykit.pipeline.runner import Unwatched
from deploykit.pipeline.steps import Selection


def main() -> None:
    """Compile, simulate, print the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--chip", default="ethos-u65-512")
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(figures(options.workspace or Path(folder), options.chip, options.clips)))


def figures(place: Path, chip: str, count: int) -> dict[str, object]:
    """Give mAP and cosines of the three chains."""
    store = Store((place / chip).absolute())
    settings = (
        "chip=ethos-u65",
        f"networks.bev.compile={{toolchain: vela, chip: {chip}, failed: host}}",
    )
    (context,) = load_contexts(PIPELINES / "bev.yaml", settings, store)
    with locked(store):
        run = run_pipeline(
            context,
            store,
            Selection(last="bev.compile"),
            argv=(),
            watcher=Unwatched(),
            progress=Quiet(),
            workers=1,
        )
    results = next(item for item in run.results.networks if item.network == "bev")
    outputs = runs(results, list(context.task.validation_clips("bev", count)), Workspace(store))
    metrics = {}
    for label, frames in outputs.items():
        records = [
            context.task.evaluate_clip(index, {"bev": Recorded(clip)}) for index, clip in enumerate(frames)
        ]
        metrics[label] = round(100 * context.task.summarise(records)["map"], 2)
    assert results.binaries is not None
    host = [name for name, _ in results.binaries.host]
    return {"map": metrics, "clips": count, "on_host": host, **compared(results, outputs)}


if __name__ == "__main__":
    main()
