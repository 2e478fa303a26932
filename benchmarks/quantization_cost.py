"""What plain int8 costs to make: CPU seconds and peak memory, ours and onnxruntime's, on the same frames.

    python -m benchmarks.quantization_cost [--lines 48] [--ranges minmax percentile]

PP-OCRv4's recogniser (package rapidocr-onnxruntime) on rendered lines of 3 x 48 x 320. Both start from the
same float graph and read the same frames from files, one after the other; weights go to the nearest code,
per channel, and nothing else is done. Each runs in a process of its own, whose peak memory counts with its
imports; it fails where it takes more than `--limit-gb`. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.quantization import Lines, lines, ocr_task, plan_of, recogniser
from deploykit.artifacts.model import Partition
from deploykit.core.codec import decode, encode
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Array, Clip

MINMAX = QuantizeParams(
    calibration="minmax",
    rounding="nearest",
    weight_scales="max",
    bias_correction=False,
    smoothing=False,
    equalisation=False,
)
ADDRESS_SPACE_GB = 24.0


def main() -> None:
    """Prepare the data once, run each side in a child, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=48)
    parser.add_argument("--ranges", nargs="*", default=["minmax", "percentile"])
    parser.add_argument("--limit-gb", type=float, default=ADDRESS_SPACE_GB)
    parser.add_argument("--child", nargs=3, metavar=("SIDE", "RANGES", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        side, ranges, folder = options.child
        print(json.dumps(CHILDREN[side](ranges, Path(folder))))
        return
    rows: dict[str, dict[str, float] | str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.lines)
        for ranges in options.ranges:
            for side in CHILDREN:
                label = f"{side} {ranges}"
                rows[label] = found = child(side, ranges, folder, options.limit_gb)
                print(f"{label:24}", found, flush=True)
    print(json.dumps({"lines": options.lines, "cost": rows}))


def prepare(folder: Path, count: int) -> None:
    """Write the float network and its frames."""
    task = ocr_task()
    network = recogniser(Workspace(Store(folder / "store")))
    (folder / "network.json").write_bytes(encode(network))
    (folder / "frames").mkdir()
    for number, (clip, _) in enumerate(lines(task, "calibration", count)):
        for name, values in clip.frames[0].items():
            np.save(folder / "frames" / f"{number:04} {name}.npy", values)


def child(side: str, ranges: str, folder: Path, limit_gb: float) -> dict[str, float] | str:
    """Run one side in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.quantization_cost", "--child", side, ranges, str(folder)]
    limit = int(limit_gb * 2**30)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1]}"
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def frames(folder: Path) -> Iterator[Mapping[str, Array]]:
    """Read the frames, one at a time."""
    for path in sorted((folder / "frames").iterdir()):
        yield {path.stem.split(" ", 1)[1]: np.load(path)}  # the recogniser has one input


def network_of(folder: Path) -> tuple[Partition, Workspace]:
    """Give the float network that was prepared."""
    network = decode(Partition, (folder / "network.json").read_bytes(), "network.json")
    return network, Workspace(Store(folder / "store"))


def ours(ranges: str, folder: Path) -> dict[str, float]:
    """Quantize with deploykit."""
    from deploykit.stages.quantize import quantize

    network, workspace = network_of(folder)
    plan, _ = plan_of(network, "w8a8")
    params = MINMAX if ranges == "minmax" else dataclasses.replace(MINMAX, calibration="percentile")
    start, wall = time.process_time(), time.perf_counter()
    quantize(network, plan, _Clips(folder), params=params, workspace=workspace)
    return _cost(start, wall)


class _Clips:
    """Clips that are read from their files whenever they are walked through."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Clip]:
        return (Clip(str(number), (frame,)) for number, frame in enumerate(frames(self._folder)))


def onnxruntime(ranges: str, folder: Path) -> dict[str, float]:
    """Quantize with onnxruntime's static quantization."""
    from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
        CalibrationMethod,
        QuantFormat,
        quantize_static,
    )

    network, workspace = network_of(folder)
    files = network.segments[0].files
    source = workspace.folder(files) / files[0].name
    methods = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
    start, wall = time.process_time(), time.perf_counter()
    quantize_static(
        str(source),
        str(folder / "peer.onnx"),
        _Stream(folder),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        calibrate_method=methods[ranges],
    )
    return _cost(start, wall)


class _Stream(Lines):
    """Frames for onnxruntime, read when it asks for them."""

    def __init__(self, folder: Path) -> None:
        self._frames = (dict(frame) for frame in frames(folder))


def _cost(start: float, wall: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "cpu_s": time.process_time() - start,
        "wall_s": time.perf_counter() - wall,
        "peak_mb": peak / 1e6,
    }


CHILDREN = {"ours": ours, "onnxruntime": onnxruntime}

if __name__ == "__main__":
    main()
