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
import dataclasses
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from deploykit.artifacts.model import Partition
from deploykit.artifacts.results import NetworkResults
from deploykit.core.store import Store
from deploykit.core.workspace import Quiet, Workspace
from deploykit.pipeline.context import Context
from deploykit.pipeline.run import load_contexts, locked, run_pipeline
from deploykit.pipeline.runner import Unwatched
from deploykit.pipeline.steps import Selection
from deploykit.stages.compile import CompileParams, compile_network
from deploykit.stages.simulate.chain import simulated_chain
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.environments import installed, toolchain_root
from deploykit.toolchains.reference import ReferenceNetwork

PIPELINES = Path(__file__).resolve().parents[1] / "pipelines"
BUILDS = (("rk3588", "w8a8"), ("rk3588", "float16"), ("rk3576", "w4a16"))
Outputs = list[list[dict[str, Any]]]


class Recorded:
    """A network that gives the outputs of one clip which were computed before."""

    def __init__(self, frames: Sequence[Mapping[str, Any]]) -> None:
        self._frames = frames
        self._at = 0

    def reset(self) -> None:
        """Start the clip again."""
        self._at = 0

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Give the next frame's outputs."""
        del inputs
        self._at += 1
        return dict(self._frames[self._at - 1])


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
                figures[f"bev {chip} {scheme}"] = bev(place / "bev", chip, scheme, options.clips)
                show(f"bev {chip} {scheme}", figures)
            if "det" in options.parts:
                figures[f"det {chip} {scheme}"] = det(place / "ocr", chip, scheme)
                show(f"det {chip} {scheme}", figures)
        if "ranges" in options.parts:
            figures["ranges"] = ranges(place / "bev")
            show("ranges", figures)
    print(json.dumps(figures))


def bev(place: Path, chip: str, scheme: str, count: int) -> dict[str, Any]:
    """Give the detector's figures for one build."""
    context, results, workspace = built(place, "bev", "bev", chip, scheme)
    clips = list(context.task.validation_clips("bev", count))
    outputs = runs(results, clips, workspace)
    metrics = {}
    for label, frames in outputs.items():
        records = [
            context.task.evaluate_clip(index, {"bev": Recorded(clip)}) for index, clip in enumerate(frames)
        ]
        metrics[label] = round(100 * context.task.summarise(records)["map"], 2)
    return {"map": metrics, "clips": count, **compared(results, outputs)}


def det(place: Path, chip: str, scheme: str) -> dict[str, Any]:
    """Give the text detector's figures for one build, on two unseen pages."""
    context, results, workspace = built(place, "ocr", "det", chip, scheme)
    clips = list(context.task.validation_clips("det", 2))
    return compared(results, runs(results, clips, workspace))


def built(
    place: Path, pipeline: str, network: str, chip: str, scheme: str
) -> tuple[Context, NetworkResults, Workspace]:
    """Run a network's steps up to the compiler."""
    store = Store((place / f"{chip}_{scheme}").absolute())
    settings = (
        f"chip={chip}",
        f"networks.{network}.precision={{scheme: {scheme}}}",
        f"networks.{network}.compile={{toolchain: rknn, chip: {chip}}}",
    )
    (context,) = load_contexts(PIPELINES / f"{pipeline}.yaml", settings, store)
    with locked(store):
        run = run_pipeline(
            context,
            store,
            Selection(last=f"{network}.compile"),
            argv=(),
            watcher=Unwatched(),
            progress=Quiet(),
            workers=1,
        )
    results = next(item for item in run.results.networks if item.network == network)
    return context, results, Workspace(store)


def runs(results: NetworkResults, clips: Sequence[Clip], workspace: Workspace) -> dict[str, Outputs]:
    """Give every frame's outputs: float, our quantized network, the simulated chain."""
    assert results.partition is not None
    assert results.plan is not None
    assert results.quantized is not None
    assert results.binaries is not None
    found = {
        label: [_run(network, clip) for clip in clips]
        for label, network in (
            ("float", ReferenceNetwork(results.partition, workspace)),
            ("quantized", ReferenceNetwork(results.quantized, workspace)),
        )
    }
    with workspace.scratch() as folder:
        chain = simulated_chain(
            results.partition,
            results.plan,
            results.quantized,
            results.binaries,
            folder=folder,
            workspace=workspace,
        )
        found["simulated"] = chain.run(clips, keep=results.partition.outputs)
    return found


def _run(network: ReferenceNetwork, clip: Clip) -> list[dict[str, Any]]:
    network.reset()
    return [network(frame) for frame in clip.frames]


def compared(results: NetworkResults, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    """Give cosines to float by output, and what the compiler said."""
    assert results.partition is not None
    assert results.binaries is not None
    cosines = {
        label: {
            name: round(cosine(flat(outputs["float"], name), flat(outputs[label], name)), 6)
            for name in results.partition.outputs
        }
        for label in ("quantized", "simulated")
    }
    binaries = results.binaries.binaries
    return {
        "cosine": cosines,
        "binary_bytes": sum(binary.files[0].size_bytes for binary in binaries),
        "npu_cycles": sum(binary.report.cycles or 0 for binary in binaries),
        "compile_s": round(sum(binary.seconds for binary in binaries), 1),
        "host": [name for name, _ in results.binaries.host],
    }


CHOICES: dict[str, dict[str, str]] = {
    "our ranges": {},
    "toolkit, normal": {"ranges": "own"},
    "toolkit, kl_divergence": {"ranges": "own", "algorithm": "kl_divergence"},
    "toolkit, auto_hybrid 0.995": {"auto_hybrid": "0.995"},
    "toolkit, auto_hybrid 0.999": {"auto_hybrid": "0.999"},
}


def ranges(place: Path) -> dict[str, Any]:
    """Give the backbone's error, cycles and float16 layers in w8a8, as CHOICES says, on one unseen clip."""
    context, results, workspace = built(place, "bev", "bev", "rk3588", "w8a8")
    assert results.partition is not None
    assert results.plan is not None
    assert results.quantized is not None
    alone, rounded = (first_segment(network) for network in (results.partition, results.quantized))
    images = [
        Clip(clip.name, tuple({"images": frame["images"]} for frame in clip.frames))
        for clip in clips_of(context)
    ]
    found = {}
    for label, options in CHOICES.items():
        params = CompileParams("rknn", "rk3588", options)
        binaries = compile_network(
            alone, results.plan, results.quantized, images[1:], params=params, workspace=workspace
        )
        own = dataclasses.replace(results, partition=alone, quantized=rounded, binaries=binaries)
        outputs = runs(own, images[:1], workspace)
        layers = binaries.binaries[0].report.layers
        found[label] = {
            "cosine": compared(own, outputs)["cosine"]["simulated"],
            "npu_cycles": binaries.binaries[0].report.cycles,
            "conversions": sum(layer.op == "exDataConvert" for layer in layers),
        }
        show(label, found)
    return found


def first_segment(network: Partition) -> Partition:
    """Give the first segment as a network of its own."""
    segment = network.segments[0]
    return dataclasses.replace(
        network, segments=(segment,), inputs=segment.graph.inputs, outputs=segment.graph.outputs, state=()
    )


def clips_of(context: Context) -> list[Clip]:
    """Give one unseen clip, then two of those that are calibrated on."""
    task = context.task
    return [*task.validation_clips("bev", 1), *task.calibration_clips("bev", 2)]


def flat(frames: Iterable[Iterable[Mapping[str, Any]]], name: str) -> Any:
    """Give a tensor over all frames of all clips as one vector."""
    return numpy.concatenate([values[name].ravel() for clip in frames for values in clip]).astype(
        numpy.float64
    )


def cosine(a: Any, b: Any) -> float:
    """Give the cosine of two vectors."""
    return float(a @ b / numpy.sqrt((a @ a) * (b @ b)))


def show(label: str, figures: Mapping[str, Any]) -> None:
    """Print one part as it is done."""
    print(label, json.dumps(figures[label]), flush=True)


if __name__ == "__main__":
    main()
