"""Networks of the pipelines, compiled and simulated by a vendor's toolchain, beside float and quantized here.

What the `toolchain_*` benchmarks share; no benchmark by itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from deploykit.toolchains.reference import ReferenceNetwork

PIPELINES = Path(__file__).resolve().parents[1] / "pipelines"
Outputs = list[list[dict[str, Any]]]
"""Each clip's frames, each the network's outputs by name."""


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


def built(
    place: Path, pipeline: str, network: str, settings: Sequence[str]
) -> tuple[Context, NetworkResults, Workspace]:
    """Run a network's steps up to the compiler, `settings` as after `--set`."""
    store = Store(place.absolute())
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


def bev_figures(
    context: Context, results: NetworkResults, workspace: Workspace, count: int
) -> dict[str, Any]:
    """Give the bird's-eye detector's mAP of each run in percent, on `count` unseen clips, and `compared`."""
    outputs = runs(results, list(context.task.validation_clips("bev", count)), workspace)
    metrics = {}
    for label, clips in outputs.items():
        records = [
            context.task.evaluate_clip(index, {"bev": Recorded(frames)}) for index, frames in enumerate(clips)
        ]
        metrics[label] = round(100 * context.task.summarise(records)["map"], 2)
    return {"map": metrics, "clips": count, **compared(results, outputs)}


def det_figures(context: Context, results: NetworkResults, workspace: Workspace) -> dict[str, Any]:
    """Give `compared` of the text detector on two unseen pages."""
    clips = list(context.task.validation_clips("det", 2))
    return compared(results, runs(results, clips, workspace))


def compared(results: NetworkResults, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    """Give cosines to float by output, and what the compiler said."""
    assert results.partition is not None
    assert results.binaries is not None
    cosines = {
        label: {
            name: round(_cosine(_flat(outputs["float"], name), _flat(outputs[label], name)), 6)
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


def backbones(
    context: Context, results: NetworkResults, workspace: Workspace, choices: Mapping[str, CompileParams]
) -> Iterator[tuple[str, NetworkResults, dict[str, Any]]]:
    """Compile the detector's first segment alone by each choice; gives its results and `compared`.

    It is calibrated on two training clips, and run on one unseen.
    """
    assert results.partition is not None
    assert results.plan is not None
    assert results.quantized is not None
    alone, rounded = (_first_segment(network) for network in (results.partition, results.quantized))
    unseen, *known = (
        Clip(clip.name, tuple({"images": frame["images"]} for frame in clip.frames))
        for clip in (*context.task.validation_clips("bev", 1), *context.task.calibration_clips("bev", 2))
    )
    for label, params in choices.items():
        binaries = compile_network(
            alone, results.plan, results.quantized, known, params=params, workspace=workspace
        )
        own = dataclasses.replace(results, partition=alone, quantized=rounded, binaries=binaries)
        yield label, own, compared(own, runs(own, [unseen], workspace))


def show(label: str, figures: Mapping[str, Any]) -> None:
    """Print one part as it is done."""
    print(label, json.dumps(figures), flush=True)


def _run(network: ReferenceNetwork, clip: Clip) -> list[dict[str, Any]]:
    network.reset()
    return [network(frame) for frame in clip.frames]


def _first_segment(network: Partition) -> Partition:
    """Give the first segment as a network of its own."""
    segment = network.segments[0]
    return dataclasses.replace(
        network, segments=(segment,), inputs=segment.graph.inputs, outputs=segment.graph.outputs, state=()
    )


def _flat(frames: Iterable[Iterable[Mapping[str, Any]]], name: str) -> Any:
    """Give a tensor over all frames of all clips as one vector."""
    return numpy.concatenate([values[name].ravel() for clip in frames for values in clip]).astype(
        numpy.float64
    )


def _cosine(a: Any, b: Any) -> float:
    return float(a @ b / numpy.sqrt((a @ a) * (b @ b)))
