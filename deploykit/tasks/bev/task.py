"""The bird's-eye detection task: clips to calibrate and validate on, and the metric on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deploykit.artifacts.evaluation import FrameSketch
from deploykit.core.errors import input_error
from deploykit.tasks.bev import metric
from deploykit.tasks.bev.decode import Boxes, decode
from deploykit.tasks.bev.geometry import normalise_images
from deploykit.tasks.bev.scene import Labels, SceneFrame, Split, generate_clip
from deploykit.tasks.bev.sketch import sketch_frame
from deploykit.tasks.protocol import Clip, Frame, MetricSpec, Network, Record

NETWORK = "bev"


@dataclass(frozen=True)
class BevTask:
    """Multi-camera detection on generated clips.

    ``seed`` picks another world altogether (the shipped model's figures are for 0); ``frames_per_clip`` at 2
    Hz; ``history=False`` resets the network before every frame, which shows what its memory is worth.
    """

    seed: int = 0
    frames_per_clip: int = 6
    history: bool = True

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What `summarise` gives."""
        return metric.METRICS

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give clips of the training split."""
        return self._clips("train", network, count)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give the unseen clips that `evaluate_clip` runs."""
        return self._clips("validation", network, count)

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        """Run validation clip ``index`` frame by frame and match what is found to its labels."""
        return metric.match_clip(list(self._detections(index, networks)))

    def sketch_clip(self, index: int, networks: Mapping[str, Network]) -> Sequence[FrameSketch]:
        """Draw validation clip ``index`` from above, frame by frame."""
        return [sketch_frame(labels, boxes) for labels, boxes in self._detections(index, networks)]

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Give every metric over these clips."""
        return metric.summarise(records)

    def _detections(self, index: int, networks: Mapping[str, Network]) -> Iterator[tuple[Labels, Boxes]]:
        network = networks[NETWORK]
        network.reset()
        for frame in generate_clip("validation", index, self.frames_per_clip, self.seed):
            if not self.history:
                network.reset()
            outputs = network(network_inputs(frame))
            yield frame.labels, decode(outputs["heatmap"], outputs["reg"])

    def _clips(self, split: Split, network: str, count: int) -> Iterator[Clip]:
        if network != NETWORK:
            what = f"the bev task has no data for a network of this name; its one network is {NETWORK!r}"
            raise input_error(f"networks.{network}", what, "rename it, or take another kind of task")
        for index in range(count):
            frames = generate_clip(split, index, self.frames_per_clip, self.seed)
            yield Clip(f"{split}-{index:04d}", tuple(network_inputs(frame) for frame in frames))


def network_inputs(frame: SceneFrame) -> Frame:
    """Give a frame's network inputs: ``images`` (6, 3, 96, 256) and ``ego_motion`` (1, 2, 3), float32."""
    return {
        "images": normalise_images(frame.images),
        "ego_motion": frame.ego_motion[None].astype(np.float32),
    }
