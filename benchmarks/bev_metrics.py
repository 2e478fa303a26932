"""Measure the shipped bird's-eye detector, and what plain low precision costs it.

    python -m benchmarks.bev_metrics [--clips 60]

On unseen clips: the float network; the same with its history zeroed before every frame; all-int8 per tensor
(onnxruntime's static QDQ, MinMax, every operator that it knows, calibrated on training clips); 4-bit weights
rounded to nearest, per tensor and per channel. Differences to float come with paired bootstrap intervals over
clips. The table goes to stdout, its last line as JSON; progress to stderr.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    quantize_static,
)

from deploykit.core.runtime import open_session
from deploykit.tasks.bev import BevTask
from deploykit.tasks.protocol import Frame, Record

MODEL = Path(__file__).resolve().parents[1] / "pipelines" / "models" / "bev.onnx"
STATE_INPUT, STATE_OUTPUT = "prev_bev", "bev_memory"
VARIANTS = ("float", "no_history", "int8_per_tensor", "w4_per_tensor", "w4_per_channel")
RESAMPLES = 2000
INTERVAL = 0.90


class OrtNetwork:
    """The network in onnxruntime, one thread, frame by frame, with its state."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, exact=False)
        self._outputs = [output.name for output in self._session.get_outputs()]
        shape = next(value.shape for value in self._session.get_inputs() if value.name == STATE_INPUT)
        self._zeros = np.zeros(shape, np.float32)
        self._state = self._zeros

    def reset(self) -> None:
        """Forget the state."""
        self._state = self._zeros

    def feeds(self, inputs: Frame) -> dict[str, NDArray[Any]]:
        """Return the inputs with the state beside them."""
        return {**inputs, STATE_INPUT: self._state}

    def __call__(self, inputs: Frame) -> dict[str, NDArray[Any]]:
        """Run one frame."""
        values = self._session.run(self._outputs, self.feeds(inputs))
        outputs = dict(zip(self._outputs, values, strict=True))
        self._state = outputs[STATE_OUTPUT]
        return outputs


class CalibrationFrames(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type hints
    """Training frames for onnxruntime's calibrator, each with the state that the float network has there."""

    def __init__(self, path: Path, clips: int) -> None:
        self._frames = self._walk(path, clips)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next frame's inputs, or None at the end."""
        return next(self._frames, None)

    @staticmethod
    def _walk(path: Path, clips: int) -> Iterator[dict[str, NDArray[Any]]]:
        network = OrtNetwork(path)
        for clip in BevTask().calibration_clips("bev", clips):
            network.reset()
            for frame in clip.frames:
                yield network.feeds(frame)
                network(frame)


def round_weights(model: onnx.ModelProto, bits: int, *, per_channel: bool) -> onnx.ModelProto:
    """Return a copy whose convolution weights are rounded to nearest on a symmetric grid of ``bits`` bits."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    weights = {node.input[1] for node in rounded.graph.node if node.op_type == "Conv"}
    for initializer in rounded.graph.initializer:
        if initializer.name not in weights:
            continue
        value = numpy_helper.to_array(initializer)
        axes = tuple(range(1, value.ndim)) if per_channel else None
        largest = np.abs(value).max(axis=axes, keepdims=True)
        scale = np.where(largest > 0, largest, 1.0) / (2 ** (bits - 1) - 1)
        grid = np.clip(np.round(value / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        initializer.CopyFrom(numpy_helper.from_array((grid * scale).astype(value.dtype), initializer.name))
    return rounded


def make_variants(model: Path, folder: Path, calibration_clips: int) -> dict[str, Path]:
    """Write every variant of the network into a folder."""
    source = onnx.load(model)
    paths = {name: folder / f"{name}.onnx" for name in VARIANTS}
    for name, per_channel in (("w4_per_tensor", False), ("w4_per_channel", True)):
        onnx.save(round_weights(source, 4, per_channel=per_channel), paths[name])
    quantize_static(
        str(model),
        str(paths["int8_per_tensor"]),
        CalibrationFrames(model, calibration_clips),
        quant_format=QuantFormat.QDQ,
        calibrate_method=CalibrationMethod.MinMax,
        per_channel=False,
    )
    return {**paths, "float": model, "no_history": model}


def bootstrap_difference(
    task: BevTask, base: Sequence[Record], other: Sequence[Record], resamples: int, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Return by metric the difference other - base and its interval; clips are drawn in pairs."""
    rng = np.random.default_rng(seed)
    whole_base, whole_other = task.summarise(base), task.summarise(other)
    drawn: dict[str, list[float]] = {name: [] for name in whole_base}
    for _ in range(resamples):
        chosen = rng.integers(len(base), size=len(base))
        a = task.summarise([base[i] for i in chosen])
        b = task.summarise([other[i] for i in chosen])
        for name in drawn:
            drawn[name].append(b[name] - a[name])
    edges = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
    result = {}
    for name, values in drawn.items():
        low, high = np.nanquantile(values, edges) if not np.all(np.isnan(values)) else (np.nan, np.nan)
        result[name] = (whole_other[name] - whole_base[name], float(low), float(high))
    return result


_networks: dict[str, OrtNetwork] = {}


def _start_worker(paths: Mapping[str, Path]) -> None:
    _networks.update({name: OrtNetwork(path) for name, path in paths.items()})


def _evaluate(index: int) -> dict[str, Record]:
    records = {}
    for name, network in _networks.items():
        records[name] = BevTask(history=name != "no_history").evaluate_clip(index, {"bev": network})
    return records


def measure(paths: Mapping[str, Path], clips: int, workers: int) -> dict[str, list[Record]]:
    """Run all variants on the validation clips in a pool of processes."""
    records: dict[str, list[Record]] = {name: [] for name in paths}
    with concurrent.futures.ProcessPoolExecutor(
        workers, initializer=_start_worker, initargs=(paths,)
    ) as pool:
        for done, result in enumerate(pool.map(_evaluate, range(clips)), 1):
            print(f"\r{done} of {clips} clips", end="", file=sys.stderr, flush=True)
            for name, record in result.items():
                records[name].append(record)
    print(file=sys.stderr)
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and print the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--clips", type=int, default=60, help="validation clips of 6 frames")
    parser.add_argument("--calibration-clips", type=int, default=8, help="training clips for int8")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_variants(options.model, Path(folder), options.calibration_clips)
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        records = measure(paths, options.clips, options.workers)
    task = BevTask()
    figures = {name: task.summarise(values) for name, values in records.items()}
    names = [spec.name for spec in task.metrics]
    print(f"{'':16}" + "".join(f"{name[:14]:>15}" for name in names))
    for variant, values in figures.items():
        print(f"{variant:16}" + "".join(f"{values[name]:15.4f}" for name in names))
    differences = {
        name: bootstrap_difference(task, records["float"], records[name], options.resamples)
        for name in VARIANTS
        if name != "float"
    }
    print(f"\ndifference to float, {INTERVAL:.0%} paired bootstrap interval over {options.clips} clips")
    for variant, by_metric in differences.items():
        for name in ("map", "recall", "hidden_recall", "centre_error_m", "velocity_error_m_per_s"):
            change, low, high = by_metric[name]
            print(f"{variant:16} {name:22} {change:+.4f} [{low:+.4f}, {high:+.4f}]")
    print(json.dumps(_report(options.clips, figures, differences, sizes)))


def _report(
    clips: int,
    figures: Mapping[str, Mapping[str, float]],
    differences: Mapping[str, Mapping[str, tuple[float, float, float]]],
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    def clean(value: float) -> float | None:
        return None if np.isnan(value) else round(value, 5)

    return {
        "clips": clips,
        "interval": INTERVAL,
        "figures": {v: {name: clean(x) for name, x in row.items()} for v, row in figures.items()},
        "difference_to_float": {
            v: {name: [clean(x) for x in triple] for name, triple in row.items()}
            for v, row in differences.items()
        },
        "file_bytes": dict(sizes),
    }


if __name__ == "__main__":
    main()
